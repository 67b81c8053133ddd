// @ts-check
'use strict';
// The control connection: cancels, credit, pings, descriptions, shutdown, arenas, and the end of the coordinator.
//
// Runs in the guard's thread, or on the main thread of a worker without a guard.

const net = require('node:net');
const { Kind } = require('../wire/constants.js');
const { FrameReader } = require('../wire/frame-reader.js');
const { WireError, frame, jsonFrame, parseJsonHeader } = require('../wire/frames.js');
const { readCredit } = require('../wire/header-reader.js');
const { NO_ARENA } = require('./shared-state.js');

const CONTROL_FD = 4;
/** Time that the main thread has to exit with a code, in milliseconds. It may be computing. */
const FATAL_GRACE = 500;
/** Time until the connection may take more answers, in milliseconds. */
const FLUSH_PAUSE = 1;

/**
 * An event for the thread that runs the jobs, beside the shared state.
 *
 * @typedef {{ cancel: bigint } | { credit: bigint } | { shutdown: true } | { fatal: string }} ControlEvent
 */

class Control {
  #socket;
  #options;

  /**
   * @param {object} options
   * @param {boolean} options.owned whether the coordinator made the process group
   * @param {boolean} options.hasArenas whether descriptors 6 and 7 are arenas
   * @param {object} options.description the answer to `Describe`
   * @param {import('./shared-state.js').SharedState} options.state
   * @param {import('./answer-ring.js').AnswerRing} options.answers
   * @param {(event: ControlEvent) => void} options.tell
   */
  constructor(options) {
    this.#options = options;
    const reader = new FrameReader('control', (message) => this.#take(message));
    this.#socket = new net.Socket({ fd: CONTROL_FD, readable: true, writable: true });
    this.#socket.on('error', () => this.#coordinatorGone());
    for (const event of ['end', 'close']) this.#socket.on(event, () => this.#coordinatorGone());
    this.#socket.on('data', (data) => {
      try {
        reader.push(data);
      } catch (error) {
        this.#fail(/** @type {Error} */ (error));
      }
    });
  }

  /** Leaves nothing of this worker behind. */
  #coordinatorGone() {
    process.kill(this.#options.owned ? 0 : process.pid, 'SIGKILL');
  }

  /**
   * A thread cannot end its process with a code.
   *
   * @param {Error} error
   */
  #fail(error) {
    this.#options.tell({ fatal: error.message });
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), FATAL_GRACE);
  }

  /** @param {import('../wire/frames.js').Frame} message */
  #take({ kind, sequence, header }) {
    const { state, tell, description } = this.#options;
    switch (kind) {
      case Kind.PING:
        this.#socket.write(frame(Kind.PONG, { sequence }));
        break;
      case Kind.DESCRIBE:
        this.#socket.write(jsonFrame(Kind.DESCRIPTION, description));
        break;
      case Kind.CANCEL:
        state.cancel(sequence);
        tell({ cancel: sequence });
        break;
      case Kind.CREDIT:
        state.addCredit(sequence, readCredit(header));
        tell({ credit: sequence });
        break;
      case Kind.SHUTDOWN:
        tell({ shutdown: true });
        break;
      case Kind.SHARE:
        this.#share(sequence, parseJsonHeader(header));
        break;
      case Kind.RECALL:
        this.#sendAnswers();
        break;
      default:
        throw new WireError(`a frame of kind 0x${kind.toString(16)} on the control connection`);
    }
  }

  /** Sends the answers that wait, since the function that runs keeps the other thread from doing it. */
  #sendAnswers() {
    try {
      if (!this.#options.answers.flush()) setTimeout(() => this.#sendAnswers(), FLUSH_PAUSE);
    } catch {
      // The coordinator is gone, as the end of file on this connection says.
    }
  }

  /**
   * Inputs need no note: the memory is the same for every offer, and a job says where its input lies.
   *
   * @param {bigint} number
   * @param {Record<string, any>} offer
   */
  #share(number, offer) {
    const { length } = offer;
    const isTakenBack = length === undefined;
    if (!isTakenBack && !(Number.isSafeInteger(length) && length >= 0)) {
      throw new WireError(`an arena of ${length} bytes`);
    }
    const accepted = isTakenBack || (this.#options.hasArenas && offer.born === true);
    if (accepted && offer.direction === 'output') {
      this.#options.state.setOutputArena(isTakenBack ? NO_ARENA : number, BigInt(length ?? 0));
    }
    this.#socket.write(jsonFrame(Kind.SHARED, { accepted }, { sequence: number }));
  }
}

module.exports = { Control };
