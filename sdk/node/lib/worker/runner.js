// @ts-check
'use strict';
// Runs jobs one after the other, and answers each with one `Done`.

const { Exit, Encoding, Flag, JobExtra, Kind } = require('../wire/constants.js');
const { WireError, frame } = require('../wire/frames.js');
const { JobHeader } = require('../wire/header-reader.js');
const headers = require('../wire/headers.js');
const { OutputArena, readInput } = require('./arenas.js');
const { BatchAnswers } = require('./batch.js');
const { Context } = require('./context.js');
const { complain, exit } = require('./exit.js');
const outcomes = require('./outcome.js');
const { perform, performBatch } = require('./perform.js');

/** Time in which the guard kills this process if the coordinator is gone, in milliseconds. */
const GONE_GRACE = 1000;

/**
 * @typedef {import('./outcome.js').Outcome} Outcome
 *
 * @typedef {object} WaitingJob
 * @property {bigint} sequence
 * @property {number} flags
 * @property {number} encoding
 * @property {JobHeader} header
 * @property {Buffer} payload
 *
 * @typedef {object} RunningJob
 * @property {bigint} sequence
 * @property {Context} context
 * @property {number} begin by the clock, in milliseconds
 * @property {NodeJS.CpuUsage | undefined} cpu at the begin, if the caller asks for it
 * @property {BatchAnswers | undefined} answers if it is a batch
 */

class Runner {
  /** @type {WaitingJob[]} */
  #queue = [];
  /** @type {RunningJob | undefined} */
  #running;
  #definition;
  #connection;
  #state;
  #page;
  #outputArena;
  #maxPayload;
  /** What contexts need. */
  #outlet;
  #isReady = false;
  #isStopping = false;
  #isShutDown = false;
  #isPanicked = false;
  /** Bytes of output that the page knows of. */
  #noted = 0;

  /**
   * @param {object} parts
   * @param {import('./definition.js').Definition} parts.definition
   * @param {Pick<import('./jobs-connection.js').JobsConnection, 'send' | 'answer' | 'flush' | 'flushSoon' | 'sent' | 'isFlushed' | 'whenFlushed' | 'finish'>} parts.connection
   * @param {import('./shared-state.js').SharedState} parts.state
   * @param {import('./page.js').Page} [parts.page]
   * @param {number} parts.maxPayload bytes
   * @param {unknown} [parts.workerData]
   */
  constructor({ definition, connection, state, page, maxPayload, workerData }) {
    this.#definition = definition;
    this.#connection = connection;
    this.#state = state;
    this.#page = page;
    this.#outputArena = new OutputArena(state);
    this.#maxPayload = maxPayload;
    this.#outlet = { state, send: connection.send.bind(connection), workerData };
  }

  /** The job that runs, for messages to people. */
  get runningId() {
    return this.#running?.context.id;
  }

  /**
   * @param {import('../wire/frames.js').Frame} message a `Job`
   * @throws {WireError}
   */
  take({ sequence, flags, encoding, header, payload }) {
    this.#queue.push({ sequence, flags, encoding, header: new JobHeader(header), payload });
  }

  /** `Ready` was sent: jobs may be answered. */
  ready() {
    this.#isReady = true;
    this.turn();
  }

  /** Runs jobs until one has to wait for something. */
  turn() {
    while (this.#isReady && !this.#running && !this.#isPanicked) {
      if (!this.#connection.isFlushed) {
        // A function that blocks this thread would keep the answer before it from leaving.
        this.#connection.whenFlushed(() => this.turn());
        return;
      }
      const job = this.#queue.shift();
      if (!job) break;
      this.#begin(job);
    }
    if (this.#running) this.#connection.flushSoon();
    else this.#connection.flush();
    if (this.#running || this.#isPanicked) return;
    this.#note();
    if (this.#isStopping) this.#end();
  }

  /** @param {WaitingJob} job */
  #begin({ sequence, flags, encoding, header, payload }) {
    if (flags & Flag.TAKEN) this.#outputArena.taken();
    if (this.#page) {
      this.#noted = this.#connection.sent;
      if (!this.#page.begin(sequence, this.#noted)) {
        this.#connection.send(frame(Kind.RECALLED, { sequence }));
        return;
      }
    }
    const begin = performance.now();
    const context = new Context(this.#outlet, header, sequence, begin);
    const cpu = header.extras.has(JobExtra.USAGE) ? process.cpuUsage() : undefined;
    this.#running = { sequence, context, begin, cpu, answers: undefined };
    if (this.#state.begin(sequence, header.credit ?? 0)) {
      this.#done(outcomes.cancelled());
      return;
    }
    const input = flags & Flag.PAYLOAD_REF ? this.#readInput(payload) : payload;
    const outcome = this.#outcome(this.#running, header, { encoding, payload: input });
    if (!(outcome instanceof Promise)) {
      this.#done(outcome);
      return;
    }
    outcome.then((settled) => {
      if (this.#isPanicked) return;
      this.#done(settled);
      this.turn();
    });
  }

  /**
   * @param {RunningJob} running
   * @param {JobHeader} header
   * @param {{ encoding: number, payload: Buffer }} input
   * @returns {Outcome | Promise<Outcome>}
   */
  #outcome(running, header, input) {
    const { context } = running;
    const batch = header.extras.get(JobExtra.BATCH);
    if (!batch) return perform(this.#definition, input, context, this.#maxPayload);
    running.answers = new BatchAnswers(this.#maxPayload);
    const inputs = { encoding: batch[0], payload: input.payload };
    return performBatch(this.#definition, inputs, context, this.#maxPayload, running.answers);
  }

  /** @param {Buffer} reference */
  #readInput(reference) {
    try {
      return readInput(reference);
    } catch (error) {
      if (error instanceof WireError) exit(Exit.PROTOCOL, error.message);
      throw error;
    }
  }

  /** @param {Outcome} outcome */
  #done({ status, encoding, output }) {
    const { sequence, context, begin, cpu } = /** @type {RunningJob} */ (this.#running);
    this.#running = undefined;
    context.over();
    const now = performance.now();
    const run = Math.round((now - begin) * 1e6);
    const header = headers.done(status, run, extrasOf(context, cpu, encoding));
    const isShared = this.#outputArena.send(output, (payload) => {
      const flags = Flag.END | Flag.PAYLOAD_REF;
      this.#connection.send(frame(Kind.DONE, { header, payload, encoding, sequence, flags }));
    });
    if (isShared) return;
    const follows = this.#queue.length > 0 && !this.#isPanicked;
    this.#connection.answer({ sequence, header, encoding, output }, follows, now);
  }

  /** Tells the page how much was sent. */
  #note() {
    if (!this.#page || this.#noted === this.#connection.sent) return;
    this.#noted = this.#connection.sent;
    this.#page.note(this.#noted);
  }

  /** @param {bigint} sequence */
  cancel(sequence) {
    if (this.#running?.sequence === sequence) this.#running.context.abort();
  }

  /** @param {bigint} sequence */
  credit(sequence) {
    if (this.#running?.sequence === sequence) this.#running.context.credited();
  }

  /**
   * An error that nobody caught: what it broke may be anything, so this process takes no further job.
   *
   * @param {unknown} error
   */
  panic(error) {
    if (this.#isPanicked) return;
    this.#isPanicked = true;
    if (!this.#running) {
      complain('an error that nobody caught, while no job ran');
    } else {
      const { answers } = this.#running;
      const outcome = outcomes.panicked(error);
      this.#done(answers ? { ...outcome, encoding: Encoding.RAW, output: answers.joined() } : outcome);
    }
    this.#connection.finish(Exit.PANICKED);
  }

  /**
   * Ends the process when the jobs that were read are answered.
   *
   * @param {boolean} isShutDown whether the coordinator asked for it, or is perhaps gone
   */
  stop(isShutDown) {
    this.#isStopping = true;
    this.#isShutDown ||= isShutDown;
    if (!this.#isReady) this.#end();
    else this.turn();
  }

  #end() {
    if (this.#isShutDown) this.#connection.finish(Exit.FINISHED);
    else setTimeout(() => this.#connection.finish(Exit.FINISHED), GONE_GRACE);
  }
}

/**
 * @param {Context} context
 * @param {NodeJS.CpuUsage | undefined} cpu at the begin
 * @param {number} encoding
 * @returns {import('../wire/headers.js').Extras | undefined}
 */
function extrasOf({ contentType, droppedChunks }, cpu, encoding) {
  if (!contentType && !droppedChunks && !cpu) return undefined;
  /** @type {import('../wire/headers.js').Extras} */
  const extras = { droppedChunks };
  if (encoding === Encoding.RAW) extras.contentType = contentType;
  if (cpu) {
    const { user, system } = process.cpuUsage(cpu);
    extras.cpuTime = BigInt(user + system) * 1000n;
    extras.peakMemory = BigInt(process.resourceUsage().maxRSS) * 1024n;
  }
  return extras;
}

module.exports = { Runner };
