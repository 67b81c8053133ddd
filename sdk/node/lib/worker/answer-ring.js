// @ts-check
'use strict';
// Answers that wait to be sent together: a ring of memory that both threads see, as the page has one.
//
// The thread that runs the jobs fills it. Both threads send what is in it: the guard does where a function blocks the
// other one. Byte `n` of all output is at place `n % RING`, and places count modulo 2 to the power of 32.

const fs = require('node:fs');
const { viewOf } = require('../wire/frames.js');
const { load, lock, store, unlock } = require('./lock.js');

const JOBS_FD = 3;
const RING = 65536;

// Cells of 4 bytes.
const LOCK = 0;
/** Number of bytes that were sent or wait. Only the thread that runs the jobs changes it. */
const FILLED = 1;
/** Number of bytes that were sent. Changes under the lock. */
const FLUSHED = 2;
const CELLS = 16;

class AnswerRing {
  #words;

  /** @param {SharedArrayBuffer} [buffer] the memory of the other thread's `AnswerRing` */
  constructor(buffer = new (globalThis.SharedArrayBuffer ?? ArrayBuffer)(4 * CELLS + RING)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, CELLS);
    this.bytes = Buffer.from(buffer, 4 * CELLS, RING);
    this.view = viewOf(this.bytes);
  }

  get isEmpty() {
    return load(this.#words, FILLED) === load(this.#words, FLUSHED);
  }

  /**
   * Whether an answer fits behind this number of bytes of output, in one piece.
   *
   * @param {number} sent bytes of output in all
   * @param {number} length bytes
   */
  hasRoom(sent, length) {
    const waiting = (sent - load(this.#words, FLUSHED)) >>> 0;
    return waiting + length <= RING && (sent % RING) + length <= RING;
  }

  /**
   * An answer is in its place, and waits.
   *
   * @param {number} sent bytes of output in all
   */
  fill(sent) {
    store(this.#words, FILLED, sent | 0);
  }

  /**
   * Passes over output that goes another way. Nothing waits.
   *
   * @param {number} sent bytes of output in all
   */
  skip(sent) {
    lock(this.#words, LOCK);
    store(this.#words, FILLED, sent | 0);
    store(this.#words, FLUSHED, sent | 0);
    unlock(this.#words, LOCK);
  }

  /**
   * Sends what waits, as far as the connection takes it now.
   *
   * @returns {boolean} whether all of it was sent
   * @throws {NodeJS.ErrnoException} if the connection is broken
   */
  flush() {
    lock(this.#words, LOCK);
    try {
      const filled = load(this.#words, FILLED);
      let flushed = load(this.#words, FLUSHED);
      while (flushed !== filled) {
        const count = this.#sendPiece(flushed, filled);
        if (count === 0) return false;
        flushed = (flushed + count) | 0;
        store(this.#words, FLUSHED, flushed);
      }
      return true;
    } finally {
      unlock(this.#words, LOCK);
    }
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #sendPiece(from, to) {
    const at = from & (RING - 1);
    return writeNow(this.bytes, at, Math.min((to - from) >>> 0, RING - at));
  }

  /** Takes what waits out of the ring, for a caller that sends it by itself. */
  drain() {
    lock(this.#words, LOCK);
    const filled = load(this.#words, FILLED);
    const flushed = load(this.#words, FLUSHED);
    const at = flushed & (RING - 1);
    const rest = Buffer.concat(
      [this.bytes.subarray(at), this.bytes.subarray(0, at)],
      (filled - flushed) >>> 0,
    );
    store(this.#words, FLUSHED, filled);
    unlock(this.#words, LOCK);
    return rest;
  }
}

/**
 * Writes to the jobs connection, which never blocks.
 *
 * @param {Buffer} bytes
 * @param {number} from
 * @param {number} length
 * @returns {number} bytes that the connection takes now
 * @throws {NodeJS.ErrnoException} if the connection is broken
 */
function writeNow(bytes, from, length) {
  try {
    return fs.writeSync(JOBS_FD, bytes, from, length);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EAGAIN') return 0;
    throw error;
  }
}

module.exports = { AnswerRing, writeNow, JOBS_FD };
