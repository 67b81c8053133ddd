// @ts-check
'use strict';
// The connection of a replay: prints what a worker would send, and ends the process after the last job.

const fs = require('node:fs');
const { Exit, FRAME_HEADER, Kind, Status } = require('../wire/constants.js');
const { complain, exit } = require('./exit.js');

class Transcript {
  sent = 0;
  isFlushed = true;
  #turns;
  #state;
  /** Number of jobs that have ended. */
  #ended = 0;

  /**
   * @param {readonly import('./replay.js').Turn[]} turns the jobs in their order
   * @param {import('./shared-state.js').SharedState} state
   */
  constructor(turns, state) {
    this.#turns = turns;
    this.#state = state;
    this.#announce();
  }

  #announce() {
    const { heading } = this.#turns[this.#ended];
    if (heading) complain(heading);
  }

  /** @param {() => void} act */
  whenFlushed(act) {
    act();
  }

  /** @param {Buffer} head a frame without a second part: only answers are long enough to have one */
  send(head) {
    const kind = head.readUInt16LE(8);
    const middle = FRAME_HEADER + head.readUInt32LE(0);
    if (kind === Kind.CHUNK) this.#chunk(head.readBigUInt64LE(16), head.subarray(middle));
    if (kind === Kind.LOG) complain(`log ${head.subarray(FRAME_HEADER, middle)}`);
  }

  /**
   * @param {bigint} sequence
   * @param {Buffer} output
   */
  #chunk(sequence, output) {
    if (this.#turns[this.#ended].isWanted) fs.writeFileSync(1, output);
    this.#state.addCredit(sequence, 1); // It has been read.
  }

  /** @param {import('./jobs-connection.js').Answer} answer */
  answer({ header, output }) {
    const { isWanted, note } = this.#turns[this.#ended];
    this.#ended += 1;
    const [status] = header;
    if (status === Status.OK && isWanted) {
      fs.writeFileSync(1, output);
      if (process.stdout.isTTY) fs.writeSync(1, '\n');
    }
    if (status !== Status.OK) complain(`the job ended as ${nameOf(status)}: ${textOf(header)}`);
    if (note) complain(note);
    if (status === Status.PANICKED) exit(Exit.PANICKED); // The state may be broken: no further job.
    if (this.#ended < this.#turns.length) this.#announce();
    else exit(status === Status.OK ? Exit.FINISHED : Exit.FAILED);
  }

  flush() {}

  flushSoon() {}

  finish() {}
}

/** @param {number} status */
function nameOf(status) {
  return Object.keys(Status)[status].toLowerCase();
}

/**
 * Returns the readable part of a status.
 *
 * @param {Buffer} header
 */
function textOf(header) {
  const printable = header
    .toString()
    .replace(/[^\P{C}]+/gu, ' ')
    .replace(/\uFFFD/g, ' ');
  return printable.trim();
}

module.exports = { Transcript };
