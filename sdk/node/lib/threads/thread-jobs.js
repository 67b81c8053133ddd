// @ts-check
'use strict';
// Jobs for a script in a thread.
//
// A script that listens stays, and gets the next job as a message. A script that works when it is loaded is loaded
// afresh for each job. A cancelled job costs its thread, not the process.

const { Cancelled } = require('../errors.js');
const { complain } = require('../worker/exit.js');
const { ScriptEnded, ScriptThread } = require('./script-thread.js');

/** Time that a script has to end after its answer, before its next job starts, in milliseconds. */
const TAIL = 1000;

class ThreadJobs {
  #file;
  #args;
  #workerData;
  /** The thread that listens, if one does. @type {ScriptThread | undefined} */
  #thread;
  /** A thread that has answered and does not listen. @type {ScriptThread | undefined} */
  #leaving;
  /** The running job. @type {{ resolve(value: unknown): void, reject(error: unknown): void } | undefined} */
  #job;

  /**
   * @param {string} file absolute path
   * @param {{ args: string[], workerData: unknown }} options `workerData`: undefined for the job's input
   */
  constructor(file, { args, workerData }) {
    this.#file = file;
    this.#args = args;
    this.#workerData = workerData;
  }

  /**
   * @param {unknown} input
   * @param {import('../worker/context.js').Context} context
   */
  async run(input, { signal }) {
    await this.#lastHasLeft(signal);
    if (signal.aborted) throw signal.reason;
    this.#thread ??= this.#start(input);
    const thread = this.#thread;
    const answer = new Promise((resolve, reject) => {
      this.#job = { resolve, reject };
    });
    signal.addEventListener('abort', () => thread.terminate(), { once: true });
    thread.post(input);
    try {
      return await answer;
    } catch (error) {
      throw signal.aborted ? new Cancelled() : error;
    } finally {
      if (!thread.isListening) this.#retire(thread);
    }
  }

  /** @param {unknown} input */
  #start(input) {
    const workerData = this.#workerData === undefined ? input : this.#workerData;
    const thread = new ScriptThread(this.#file, {
      workerData,
      args: this.#args,
      onMessage: (message) => {
        if (this.#thread === thread) this.#settle('resolve', message);
      },
      onEnd: (error) => {
        if (this.#thread === thread) this.#ended(error);
        else if (!(error instanceof ScriptEnded)) console.error(error); // After its answer: nobody else is told.
      },
    });
    return thread;
  }

  /** @param {unknown} error why the thread ended */
  #ended(error) {
    this.#thread = undefined;
    if (this.#job) this.#settle('reject', error);
    else console.error(error); // Between two jobs: nobody else is told.
  }

  /**
   * @param {'resolve' | 'reject'} how
   * @param {unknown} value
   */
  #settle(how, value) {
    const job = this.#job;
    this.#job = undefined;
    job?.[how](value);
  }

  /** @param {ScriptThread} thread */
  #retire(thread) {
    if (this.#thread === thread) this.#thread = undefined;
    if (!thread.hasEnded) this.#leaving = thread;
  }

  /**
   * Waits for the end of the script that answered last. Its work after the answer is done before the next job.
   *
   * @param {AbortSignal} signal
   */
  async #lastHasLeft(signal) {
    const leaving = this.#leaving;
    this.#leaving = undefined;
    if (!leaving || leaving.hasEnded) return;
    const end = () => {
      complain('the script did not end after its answer, and is terminated: close what keeps it alive');
      leaving.terminate();
    };
    const timer = setTimeout(end, TAIL);
    signal.addEventListener('abort', end, { once: true });
    await leaving.ended;
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

module.exports = { ThreadJobs };
