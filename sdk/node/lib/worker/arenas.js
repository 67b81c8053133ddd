// @ts-check
'use strict';
// Large payloads in shared memory that the worker has from its birth: descriptors 6 and 7.
//
// They grow, so they must not be mapped, which Node could not do either: `pread` and `pwrite` it is.

const fs = require('node:fs');
const { Limit } = require('../wire/constants.js');
const { WireError } = require('../wire/frames.js');
const { NO_ARENA } = require('./shared-state.js');

const INPUT_FD = 6;
const OUTPUT_FD = 7;
const REFERENCE = 24;

/**
 * Reads the input that a job's payload refers to.
 *
 * @param {Buffer} reference
 * @returns {Buffer} memory of its own
 * @throws {WireError}
 */
function readInput(reference) {
  const offset = reference.readBigUInt64LE(8);
  const length = reference.readBigUInt64LE(16);
  if (offset !== 0n || length > Limit.PAYLOAD) {
    throw new WireError(`an input of ${length} bytes at ${offset} of an arena`);
  }
  const input = Buffer.allocUnsafeSlow(Number(length));
  for (let at = 0; at < input.length; ) {
    const count = fs.readSync(INPUT_FD, input, at, input.length - at, at);
    if (count === 0) throw new WireError(`an arena ends before the input of ${length} bytes`);
    at += count;
  }
  return input;
}

/** The arena for outputs. */
class OutputArena {
  #state;
  /** Whether the coordinator has read what was written last. */
  #isFree = true;

  /** @param {import('./shared-state.js').SharedState} state */
  constructor(state) {
    this.#state = state;
  }

  /** The coordinator has read the last output out of the arena. */
  taken() {
    this.#isFree = true;
  }

  /**
   * Writes an output into the arena, and sends the answer that refers to it.
   *
   * @param {Buffer} output
   * @param {(reference: Buffer) => void} send
   * @returns {boolean} false if the output has to go through the socket
   */
  send(output, send) {
    if (output.length < Limit.SHARED_FROM) return false;
    return this.#state.withOutputArena((number, length) => {
      if (number === NO_ARENA) this.#isFree = true; // Nothing is left to read.
      if (number === NO_ARENA || !this.#isFree || output.length > length) return false;
      for (let at = 0; at < output.length; )
        at += fs.writeSync(OUTPUT_FD, output, at, output.length - at, at);
      this.#isFree = false;
      const reference = Buffer.alloc(REFERENCE);
      reference.writeBigUInt64LE(number, 0);
      reference.writeBigUInt64LE(BigInt(output.length), 16);
      send(reference);
      return true;
    });
  }
}

module.exports = { OutputArena, readInput, INPUT_FD, OUTPUT_FD };
