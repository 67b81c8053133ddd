// @ts-check
'use strict';
// How inputs and outputs travel between a host and a worker: as structured clones where both sides are this package,
// as JSON and bytes otherwise.

const { deserialize, serialize } = require('../clone.js');
const { stringify } = require('../json.js');

const BYTES = 'application/octet-stream';
const JSON_TYPE = 'application/json';

/**
 * Which function runs: undefined for that of the pool.
 *
 * @typedef {{ name: string | undefined, file: string | undefined }} Choice
 *
 * @typedef {object} Codec
 * @property {(task: unknown, choice: Choice) => { contentType: string, body: Uint8Array }} encode
 * @property {(answer: import('./client.js').Answer) => unknown} decode
 */

/** Any value that threads can pass. @type {Codec} */
const cloneCodec = {
  encode: (task, { name, file }) => ({
    contentType: BYTES,
    body: serialize(file === undefined ? [name, task] : [name, task, file]),
  }),
  decode: ({ body }) => deserialize(body),
};

/** @type {Codec} */
const jsonCodec = {
  encode(task, { name, file }) {
    if (name !== undefined || file !== undefined)
      throw new TypeError(
        '`name` and `filename` choose a function, which a pool without `filename` cannot do',
      );
    if (task instanceof Uint8Array) return { contentType: BYTES, body: task };
    return { contentType: JSON_TYPE, body: Buffer.from(json(task, 'the input', '; send JSON or bytes')) };
  },
  decode: ({ contentType, body }) => (contentType.startsWith(JSON_TYPE) ? JSON.parse(body.toString()) : body),
};

/**
 * @param {unknown} value
 * @param {string} name what errors call it
 * @param {string} [hint] the end of their sentence
 * @returns {string}
 * @throws {TypeError}
 */
function json(value, name, hint = '') {
  try {
    return stringify(value);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    throw new TypeError(`${name} is no JSON: ${message}${hint}`, { cause: error });
  }
}

module.exports = { cloneCodec, jsonCodec, json };
