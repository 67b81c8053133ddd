// @ts-check
'use strict';
// The jobs connection: descriptor 3, on which jobs come and answers go.

const net = require('node:net');
const { Exit } = require('../wire/constants.js');
const { FrameReader, StrangerError, VersionError, WireError } = require('../wire/frames.js');
const { exit } = require('./exit.js');

const JOBS_FD = 3;
/** Time in which the guard kills this process if the coordinator is gone, in milliseconds. */
const GONE_GRACE = 1000;
/** Time after which a silent other end is no coordinator, in milliseconds. */
const SILENCE = 1000;

class JobsConnection {
  #socket;
  #reader;
  #sent = 0;
  #isEnding = false;
  /** Calls back when all data of one read were taken. */
  onTurn = () => {};
  /** Calls back at the end of file. */
  onEnd = () => {};
  /** Calls back if no coordinator is at the other end. */
  onStranger = () => {};

  /** @param {(frame: import('../wire/frames.js').Frame) => void} onFrame */
  constructor(onFrame) {
    // The answer of the running job is still to be sent after the end of file.
    this.#socket = new net.Socket({ fd: JOBS_FD, readable: true, writable: true, allowHalfOpen: true });
    this.#reader = new FrameReader('jobs', onFrame);
    this.#socket.on('data', (data) => this.#take(data));
    this.#socket.on('end', () => (this.#reader.needsPreamble ? this.onStranger() : this.onEnd()));
    this.#socket.on('error', (error) => this.coordinatorGone(`the jobs connection failed: ${error.message}`));
    // The coordinator wrote its preamble before this process existed. The immediate lets it be read first.
    const look = () => setImmediate(() => this.#reader.needsPreamble && this.onStranger());
    setTimeout(look, SILENCE).unref();
  }

  /** Bytes that were sent since `Ready`. */
  get sent() {
    return this.#sent;
  }

  /** Whether everything that was sent has left this process. */
  get isFlushed() {
    return this.#socket.writableLength === 0;
  }

  /** @param {() => void} act is called once everything that was sent has left this process */
  whenFlushed(act) {
    this.#socket.write('', act);
  }

  /** @param {number} maxPayload bytes */
  limitPayloads(maxPayload) {
    this.#reader.maxPayload = maxPayload;
  }

  /**
   * Sends something that the coordinator does not count: what comes before `Ready`, and `Ready`.
   *
   * @param {Buffer} data
   */
  open(data) {
    this.#socket.write(data);
  }

  /**
   * @param {Buffer} head
   * @param {Buffer} [payload]
   */
  send(head, payload) {
    this.#sent += head.length + (payload?.length ?? 0);
    if (!payload) {
      this.#socket.write(head);
      return;
    }
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  /**
   * Sends what waits, then ends the process.
   *
   * @param {number} code
   */
  finish(code) {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#socket.end(() => exit(code));
  }

  /**
   * Ends the process once the guard had time to kill it, and its group.
   *
   * @param {string} why
   */
  coordinatorGone(why) {
    if (this.#isEnding) return;
    this.#isEnding = true;
    setTimeout(() => exit(Exit.COORDINATOR_GONE, why), GONE_GRACE);
  }

  /** @param {Buffer} data */
  #take(data) {
    if (this.#isEnding) return;
    try {
      this.#reader.push(data);
    } catch (error) {
      if (error instanceof StrangerError) this.onStranger();
      if (error instanceof VersionError) exit(Exit.REFUSED, error.message);
      if (error instanceof WireError) exit(Exit.PROTOCOL, error.message);
      throw error;
    }
    this.onTurn();
  }
}

module.exports = { JobsConnection, JOBS_FD };
