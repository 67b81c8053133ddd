// @ts-check
'use strict';
// Batches: several inputs in one job, and one answer for all.

const { Limit } = require('../wire/constants.js');

const LENGTH = 4;
const ANSWER_HEAD = 9;
/** Length of the answers at which a batch ends early, in bytes. */
const ENOUGH = 1024 * 1024;

/**
 * @param {Buffer} payload
 * @returns {Buffer[] | undefined} undefined if the lengths do not fit the payload
 */
function batchInputs(payload) {
  const inputs = [];
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < LENGTH) return undefined;
    const from = at + LENGTH;
    at = from + payload.readUInt32LE(at);
    if (at > payload.length) return undefined;
    inputs.push(payload.subarray(from, at));
  }
  return inputs;
}

/** The answers of a batch. */
class BatchAnswers {
  /** @type {Buffer[]} */
  #parts = [];
  #length = 0;
  #enough;

  /** @param {number} maxPayload bytes */
  constructor(maxPayload) {
    this.#enough = Math.min(ENOUGH, maxPayload / 2);
  }

  /** @param {import('./outcome.js').Outcome} outcome */
  push({ status, encoding, output }) {
    const head = Buffer.alloc(ANSWER_HEAD);
    head[0] = encoding;
    head.writeUInt32LE(status.length, 1);
    head.writeUInt32LE(output.length, 5);
    this.#parts.push(head, status, output);
    this.#length += head.length + status.length + output.length;
  }

  /** Whether the inputs that are left go back to the coordinator, unanswered. */
  get areLong() {
    return this.#length > this.#enough;
  }

  joined() {
    return Buffer.concat(this.#parts);
  }
}

/** Maximum length of one output in a batch, in bytes: room for the other answers is left in a frame. */
const MAX_BATCH_OUTPUT = Limit.PAYLOAD - ENOUGH - Limit.HEADER - ANSWER_HEAD;

module.exports = { batchInputs, BatchAnswers, MAX_BATCH_OUTPUT };
