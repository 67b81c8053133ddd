// @ts-check
'use strict';
// One spawned worker, from the handshake to its end.

const fs = require('node:fs');
const { Encoding, Exit, Kind } = require('../wire/constants.js');
const { WireError, frame, jsonFrame, parseJsonHeader, preamble } = require('../wire/frames.js');
const { JobHeader } = require('../wire/header-reader.js');
const headers = require('../wire/headers.js');
const { AnswerRing } = require('./answer-ring.js');
const { INPUT_FD, OUTPUT_FD } = require('./arenas.js');
const { describe, introduce } = require('./definition.js');
const { complain, exit } = require('./exit.js');
const { localGuard, threadedGuard } = require('./guard.js');
const { JobsConnection } = require('./jobs-connection.js');
const { codeOf, decode, messageOf, print } = require('./outcome.js');
const { PAGE_FD, Page } = require('./page.js');
const { Runner } = require('./runner.js');

/** Encodings that this package reads and writes. */
const ENCODINGS = ['json', 'raw'];

class Session {
  #definition;
  #guard;
  /** @type {Runner | undefined} */
  #runner;
  /** @type {((welcome: import('../wire/frames.js').Frame) => void) | undefined} */
  #onWelcome;
  #hasWelcome = false;
  #isReady = false;
  /** Calls back with each message of a worker of free messages. @type {(encoding: number, payload: Buffer) => void} */
  onMessage = () => {};
  /** Calls back when no further messages come. Replaced by a worker of free messages. @type {() => void} */
  onStop = () => {};
  /** @type {unknown} */
  workerData;

  /** @param {import('./definition.js').Definition} definition */
  constructor(definition) {
    this.#definition = definition;
    const answers = new AnswerRing();
    this.connection = new JobsConnection((message) => this.#take(message), answers);
    this.connection.onTurn = () => this.#runner?.turn();
    this.connection.onEnd = () => this.#jobsEnded();
    const newGuard = definition.guard ? threadedGuard : localGuard;
    this.#guard = newGuard(describe(definition), answers, (event) => this.#onControl(event));
  }

  /** Introduces the worker, loads its state, and begins to take jobs. */
  async serve() {
    const hello = {
      ...introduce(this.#definition),
      page: true,
      arenas: 'born',
      encodings: ENCODINGS,
      batches: true,
    };
    this.connection.open(Buffer.concat([preamble(), jsonFrame(Kind.HELLO, hello)]));
    const message = await new Promise((resolve) => {
      this.#onWelcome = resolve;
    });
    const welcome = parseJsonHeader(message.header);
    const page = openDescriptors(welcome);
    await this.#guard.start({ owned: welcome.owned === true, hasArenas: welcome.arenas === true });
    // A coordinator that sends bincode kills this worker for its `Hello`, and starts another with data in JSON.
    if (message.encoding === Encoding.BINCODE) return;
    if (!(await this.#load(message, welcome))) return;
    if (welcome.mode === 'messages') this.#converse();
    else this.#runJobs(welcome, page);
  }

  /**
   * @param {import('../wire/frames.js').Frame} message the `Welcome`
   * @param {Record<string, any>} welcome
   * @returns {Promise<boolean>} whether the worker can serve
   */
  async #load({ encoding, payload }, welcome) {
    try {
      if (encoding !== Encoding.NONE) this.workerData = decode(encoding, payload);
      await this.#definition.init?.({
        workerData: this.workerData,
        worker: welcome.worker,
        pool: welcome.pool,
      });
      if (welcome.mode === 'messages' && !this.#definition.converse)
        throw new Error('this worker has no free messages');
      return true;
    } catch (error) {
      this.startFailed(error);
      return false;
    }
  }

  /**
   * Reports that the worker cannot serve, and ends the process.
   *
   * @param {unknown} error
   */
  startFailed(error) {
    print(error);
    const header = headers.failure({ code: codeOf(error), message: messageOf(error) });
    this.connection.open(frame(Kind.START_FAILED, { header }));
    this.connection.finish(Exit.FAILED);
  }

  /**
   * @param {Record<string, any>} welcome
   * @param {Page | undefined} page
   */
  #runJobs(welcome, page) {
    this.#isReady = true;
    // Without a guard's thread, nobody could send what waits while a function blocks this one.
    if (page && this.#definition.guard) this.connection.keepAnswers(page);
    const parts = { definition: this.#definition, connection: this.connection, state: this.#guard.state };
    this.#runner = new Runner({
      ...parts,
      page,
      maxPayload: welcome.max_payload,
      workerData: this.workerData,
    });
    for (const job of this.#early.splice(0)) this.#runner.take(job);
    this.connection.open(frame(Kind.READY));
    this.#runner.ready();
  }

  #converse() {
    this.#isReady = true;
    this.connection.open(frame(Kind.READY));
    /** @type {import('./definition.js').Converse} */ (this.#definition.converse)(this);
    for (const { encoding, payload } of this.#early.splice(0)) this.onMessage(encoding, payload);
  }

  /** Jobs and messages that came before `Ready`. @type {import('../wire/frames.js').Frame[]} */
  #early = [];

  /** @param {import('../wire/frames.js').Frame} message */
  #take(message) {
    const { kind, header } = message;
    if (kind === Kind.REFUSED) exit(Exit.REFUSED, `refused: ${parseJsonHeader(header).detail}`);
    if (kind === Kind.WELCOME) {
      if (this.#hasWelcome) throw new WireError('a second Welcome');
      this.#hasWelcome = true;
      // The limit counts for what follows in the same read.
      this.connection.limitPayloads(maxPayloadOf(parseJsonHeader(header)));
      this.#onWelcome?.(message);
    } else if (!this.#hasWelcome) {
      throw new WireError(`a frame of kind 0x${kind.toString(16)} before Welcome`);
    } else if (kind === Kind.RECORDING) {
      throw new WireError('a Recording on a connection');
    } else if (this.#runner) {
      if (kind !== Kind.JOB) throw new WireError('a message to a worker of jobs');
      this.#runner.take(message);
    } else if (this.#isReady) {
      this.onMessage(message.encoding, message.payload);
    } else {
      if (kind === Kind.JOB) new JobHeader(header);
      this.#early.push(message);
    }
  }

  /** @param {import('./control.js').ControlEvent} event */
  #onControl(event) {
    if ('cancel' in event) this.#runner?.cancel(event.cancel);
    else if ('credit' in event) this.#runner?.credit(event.credit);
    else if ('fatal' in event) exit(Exit.PROTOCOL, event.fatal);
    else this.#stop(true);
  }

  #jobsEnded() {
    if (this.#hasWelcome) this.#stop(false);
    else exit(Exit.COORDINATOR_GONE, 'the coordinator closed the connection before it said Welcome');
  }

  /** @param {boolean} isShutDown */
  #stop(isShutDown) {
    if (this.#runner) this.#runner.stop(isShutDown);
    else if (this.#isReady) this.onStop();
    else this.connection.finish(Exit.FINISHED);
  }

  /**
   * An error that nobody caught.
   *
   * @param {unknown} error
   */
  panic(error) {
    print(error);
    if (this.#runner) this.#runner.panic(error);
    else if (this.#hasWelcome && !this.#isReady) this.startFailed(error);
    else exit(Exit.PANICKED);
  }

  get runningId() {
    return this.#runner?.runningId;
  }
}

/** @param {Record<string, any>} welcome */
function maxPayloadOf(welcome) {
  const { max_payload: maxPayload } = welcome;
  if (!Number.isInteger(maxPayload) || maxPayload < 0) throw new WireError(`a max_payload of ${maxPayload}`);
  return maxPayload;
}

/**
 * Takes what descriptors 5 to 7 offer. Closes what is not used: a program that a job starts would inherit it.
 *
 * @param {Record<string, any>} welcome
 * @returns {Page | undefined}
 */
function openDescriptors({ page, arenas, mode }) {
  const found = page === true ? Page.open() : undefined;
  const unused = [];
  if (!found && (page === true || arenas === true)) unused.push(PAGE_FD);
  if (arenas === true && mode !== 'jobs') unused.push(INPUT_FD, OUTPUT_FD);
  for (const fd of unused) {
    try {
      fs.closeSync(fd);
    } catch {
      complain(`descriptor ${fd} was announced and is not there`);
    }
  }
  return found;
}

module.exports = { Session };
