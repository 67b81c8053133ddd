// @ts-check
'use strict';
// The jobs connection: descriptor 3, on which jobs come and answers go.

const net = require('node:net');
const { Exit, Flag, FRAME_HEADER, Kind } = require('../wire/constants.js');
const { FrameReader } = require('../wire/frame-reader.js');
const {
  StrangerError,
  VersionError,
  WireError,
  frame,
  frameHead,
  putFrameHeader,
} = require('../wire/frames.js');
const { JOBS_FD, writeNow } = require('./answer-ring.js');
const { exit } = require('./exit.js');

/** Time in which the guard kills this process if the coordinator is gone, in milliseconds. */
const GONE_GRACE = 1000;
/** Time after which a silent other end is no coordinator, in milliseconds. */
const SILENCE = 1000;
/** Outputs of this length and longer are sent without being copied into one frame, in bytes. */
const LARGE = 65536;
/** Maximum time that an answer waits for others, in milliseconds. If the next job takes longer, the coordinator asks. */
const LINGER = 0.2;

/**
 * The end of a job.
 *
 * @typedef {object} Answer
 * @property {bigint} sequence
 * @property {Buffer} header header message of `Done`
 * @property {number} encoding encoding of the output
 * @property {Buffer} output
 */

class JobsConnection {
  #socket;
  #reader;
  #answers;
  /** Keeps answers that wait. Without one, none waits. @type {import('./page.js').Page | undefined} */
  #page;
  /** When the first of the waiting answers began to wait, in milliseconds. */
  #since = 0;
  #sent = 0;
  #isFlushPlanned = false;
  #isEnding = false;
  /** Calls back when all data of one read were taken. */
  onTurn = () => {};
  /** Calls back at the end of file. */
  onEnd = () => {};
  /** Calls back if no coordinator is at the other end. */
  onStranger = () => {};

  /**
   * @param {(frame: import('../wire/frames.js').Frame) => void} onFrame
   * @param {import('./answer-ring.js').AnswerRing} answers
   */
  constructor(onFrame, answers) {
    this.#answers = answers;
    // The answer of the running job is still to be sent after the end of file.
    this.#socket = new net.Socket({ fd: JOBS_FD, readable: true, writable: true, allowHalfOpen: true });
    this.#reader = new FrameReader('jobs', onFrame);
    this.#socket.on('data', (data) => this.#take(data));
    this.#socket.on('end', () => (this.#reader.needsPreamble ? this.onStranger() : this.onEnd()));
    this.#socket.on('error', (error) => this.#failed(error));
    // The coordinator wrote its preamble before this process existed. The immediate lets it be read first.
    const look = () => setImmediate(() => this.#reader.needsPreamble && this.onStranger());
    setTimeout(look, SILENCE).unref();
  }

  /**
   * Lets answers wait for each other, which nobody loses: the page keeps them, and the guard sends them in time.
   *
   * @param {import('./page.js').Page} page
   */
  keepAnswers(page) {
    this.#page = page;
  }

  /** Bytes of output since `Ready`, with those of answers that wait. */
  get sent() {
    return this.#sent;
  }

  /** Whether everything but waiting answers has left this process. */
  get isFlushed() {
    return this.#socket.writableLength === 0;
  }

  /** @param {() => void} act is called once everything that was sent has left this process */
  whenFlushed(act) {
    this.#socket.write('', (error) => error || act());
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
   * Sends a frame at once, after the answers that wait.
   *
   * @param {Buffer} head
   * @param {Buffer} [payload]
   */
  send(head, payload) {
    this.flush();
    this.#sent += head.length + (payload?.length ?? 0);
    this.#answers.skip(this.#sent);
    if (!payload) {
      this.#write(head);
      return;
    }
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  /**
   * Sends a job's last frame: at once, or with the next ones if another job `follows` at once.
   *
   * @param {Answer} answer
   * @param {boolean} follows
   * @param {number} now in milliseconds
   */
  answer(answer, follows, now) {
    const { sequence, header, encoding, output } = answer;
    const length = FRAME_HEADER + header.length + output.length;
    if (!this.isFlushed || !this.#answers.hasRoom(this.#sent, length)) {
      this.#answerAlone(answer);
      return;
    }
    const { bytes, view } = this.#answers;
    const at = this.#sent % bytes.length;
    putFrameHeader(view, at, Kind.DONE, Flag.END, encoding, sequence, header.length, output.length);
    bytes.set(header, at + FRAME_HEADER);
    bytes.set(output, at + FRAME_HEADER + header.length);
    if (this.#answers.isEmpty) this.#since = now;
    const waits = this.#page && follows && now - this.#since < LINGER;
    if (waits) this.#page?.keep(bytes, at, length);
    this.#sent += length;
    this.#answers.fill(this.#sent);
    if (!waits) this.flush();
  }

  /** @param {Answer} answer */
  #answerAlone({ sequence, header, encoding, output }) {
    const parts = { sequence, header, encoding, flags: Flag.END };
    if (output.length < LARGE) this.send(frame(Kind.DONE, { ...parts, payload: output }));
    else this.send(frameHead(Kind.DONE, { ...parts, payloadLength: output.length }), output);
  }

  /** Sends the answers that wait. */
  flush() {
    if (this.#answers.isEmpty) return;
    try {
      if (!this.#answers.flush()) this.#socket.write(this.#answers.drain());
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
    }
  }

  /** Sends them before this thread waits. An asynchronous function may have ended by then, and the next ones, too. */
  flushSoon() {
    if (this.#isFlushPlanned || this.#answers.isEmpty) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      this.flush();
    });
  }

  /**
   * Writes without the detours of a stream where the connection takes everything at once.
   *
   * @param {Buffer} bytes
   */
  #write(bytes) {
    try {
      const count = this.isFlushed ? writeNow(bytes, 0, bytes.length) : 0;
      if (count < bytes.length) this.#socket.write(bytes.subarray(count));
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
    }
  }

  /**
   * Sends what waits, then ends the process.
   *
   * @param {number} code
   */
  finish(code) {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.flush();
    this.#socket.end(() => exit(code));
  }

  /**
   * The coordinator is gone. Ends the process once the guard had time to kill it, and its group.
   *
   * @param {Error} error
   */
  #failed({ message }) {
    if (this.#isEnding) return;
    if (this.#reader.needsPreamble) this.onStranger();
    this.#isEnding = true;
    setTimeout(() => exit(Exit.COORDINATOR_GONE, `the jobs connection failed: ${message}`), GONE_GRACE);
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

module.exports = { JobsConnection };
