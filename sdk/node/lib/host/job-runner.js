// @ts-check
'use strict';
// The common part of pools: they run jobs, count them, and can wait for the last one.

const { EventEmitter } = require('node:events');
const { detach } = require('../clone.js');
const { JobError, ShutDown } = require('../errors.js');
const { normalizeRun } = require('./run-options.js');

/** @abstract */
class JobRunner extends EventEmitter {
  #codec;
  #pending = 0;
  #completed = 0;
  #begin = performance.now();
  #isClosed = false;
  /** Whether even the jobs that run are given up. */
  #isAbandoned = false;
  /** Calls back when no job is pending any longer. */
  #onIdle = () => {};

  /** @param {import('./codec.js').Codec} codec */
  constructor(codec) {
    super();
    this.#codec = codec;
  }

  /**
   * Returns the connection to the server.
   *
   * @abstract
   * @returns {Promise<import('./client.js').Client>}
   */
  connect() {
    throw new Error('abstract');
  }

  /**
   * @param {unknown} task
   * @param {import('./run-options.js').RunOptions | null} [options]
   * @returns {Promise<unknown>}
   */
  async run(task, options) {
    if (this.#isClosed) throw closed(false);
    const { signal, query, choice, transferList } = normalizeRun(options ?? {});
    const { contentType, body } = this.#codec.encode(task, choice);
    detach(transferList);
    this.#pending += 1;
    if (this.needsDrain) this.emit('needsDrain');
    try {
      const client = await this.connect();
      if (this.#isAbandoned) throw closed(false);
      return this.#codec.decode(await client.run(contentType, body, { query, signal }));
    } catch (error) {
      throw this.#isAbandoned && !(error instanceof JobError) ? closed(true) : error;
    } finally {
      this.#pending -= 1;
      this.#completed += 1;
      if (this.#pending === 0) this.#onIdle();
      if (this.queueSize === 0) this.emit('drain');
    }
  }

  /** Accepts no further jobs, and resolves once the last one has ended. */
  async finish() {
    this.#isClosed = true;
    if (this.#pending === 0) return;
    await new Promise((resolve) => {
      this.#onIdle = () => resolve(undefined);
    });
  }

  /** Accepts no further jobs. Those that fail from now on fail because of this. */
  abandon() {
    this.#isClosed = true;
    this.#isAbandoned = true;
  }

  /** Returns the pool's workers, as the server shows them. */
  async workers() {
    const { workers } = await (await this.connect()).get('/workers');
    return workers;
  }

  /** Returns queue, outcomes and times, as the server shows them. */
  async stats() {
    return (await this.connect()).get('');
  }

  /** Number of jobs that have been given to `run` and have not ended. */
  get pending() {
    return this.#pending;
  }

  /** Number of jobs that wait, as far as this side knows: without the number of workers, all count that have not ended. */
  get queueSize() {
    return this.#pending;
  }

  /** Whether the next job would be refused because too many wait. */
  get needsDrain() {
    return false;
  }

  /** Number of jobs that have ended, however they ended. */
  get completed() {
    return this.#completed;
  }

  /** Milliseconds since the pool was made. */
  get duration() {
    return performance.now() - this.#begin;
  }
}

/** @param {boolean} mayHaveRun */
function closed(mayHaveRun) {
  return new ShutDown('the pool was closed', { outcome: 'shut_down', may_have_run: mayHaveRun });
}

module.exports = { JobRunner };
