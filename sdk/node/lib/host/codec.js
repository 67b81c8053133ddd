// @ts-check
'use strict';
// How inputs and outputs travel between a host and a worker: as structured clones where both sides are this package,
// as JSON and bytes otherwise.

const { deserialize, serialize } = require('../clone.js');

const BYTES = 'application/octet-stream';
const JSON_TYPE = 'application/json';

/**
 * @typedef {object} Codec
 * @property {(task: unknown, name: string | undefined) => { contentType: string, body: Uint8Array }} encode
 * @property {(answer: import('./client.js').Answer) => unknown} decode
 */

/** Any value that threads can pass. The name is that of the function. @type {Codec} */
const cloneCodec = {
  encode: (task, name) => ({ contentType: BYTES, body: serialize([name, task]) }),
  decode: ({ body }) => deserialize(body),
};

/** @type {Codec} */
const jsonCodec = {
  encode(task, name) {
    if (name !== undefined)
      throw new TypeError('`name` chooses a function of `filename`, which this pool has not');
    if (task instanceof Uint8Array) return { contentType: BYTES, body: task };
    return { contentType: JSON_TYPE, body: Buffer.from(json(task)) };
  },
  decode: ({ contentType, body }) => (contentType.startsWith(JSON_TYPE) ? JSON.parse(body.toString()) : body),
};

/** @param {unknown} task */
function json(task) {
  let text;
  try {
    text = JSON.stringify(task === undefined ? null : task);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    throw new TypeError(`the input is no JSON: ${message}; send JSON or bytes`, { cause: error });
  }
  if (text === undefined)
    throw new TypeError(`the input is no JSON but a ${typeof task}; send JSON or bytes`);
  return text;
}

module.exports = { cloneCodec, jsonCodec };
