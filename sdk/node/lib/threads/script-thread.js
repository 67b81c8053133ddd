// @ts-check
'use strict';
// One `new Worker(script)`, and whether it goes on listening.

const path = require('node:path');
const { setEnvironmentData } = require('node:worker_threads');
const { newThread } = require('./new-thread.js');
const { LISTENS, PROBE_KEY } = require('./probe-key.js');

/** The script ended, and its job has no answer. */
class ScriptEnded extends Error {
  /**
   * @param {number} exitCode
   */
  constructor(exitCode) {
    super(
      exitCode === 0
        ? 'the script ended without a message: answer with parentPort.postMessage()'
        : `the script ended with exit code ${exitCode}`,
    );
    this.name = 'ScriptEnded';
    this.code = exitCode === 0 ? 'no_message' : 'exit';
    this.exitCode = exitCode;
    this.stack = `${this.name}: ${this.message}`; // Nothing of this package helps to find the cause.
  }
}

class ScriptThread {
  #worker;
  #probe = new Int32Array(new SharedArrayBuffer(4));
  #hasEnded = false;

  /**
   * @param {string} file absolute path
   * @param {object} options
   * @param {unknown} options.workerData
   * @param {string[]} options.args
   * @param {(message: unknown) => void} options.onMessage
   * @param {(error: unknown) => void} options.onEnd is called once; a `ScriptEnded` if nothing was thrown
   */
  constructor(file, { workerData, args, onMessage, onEnd }) {
    setEnvironmentData(PROBE_KEY, /** @type {any} */ (this.#probe));
    this.#worker = newThread(file, { workerData, argv: args }, path.join(__dirname, 'probe.js'));
    setEnvironmentData(PROBE_KEY, /** @type {any} */ (undefined));
    /** @type {unknown} */
    let thrown;
    this.#worker.on('message', onMessage);
    this.#worker.on('messageerror', (error) => {
      thrown = error;
      this.terminate();
    });
    this.#worker.on('error', (error) => {
      thrown = error ?? new Error(`the script threw ${error}`);
    });
    this.ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#hasEnded = true;
        onEnd(thrown ?? new ScriptEnded(code));
        resolve(undefined);
      });
    });
  }

  /** Whether the script listened for further messages when it sent its last one. */
  get isListening() {
    return !this.#hasEnded && Atomics.load(this.#probe, 0) === LISTENS;
  }

  get hasEnded() {
    return this.#hasEnded;
  }

  /** @param {unknown} message */
  post(message) {
    this.#worker.postMessage(message);
  }

  /** Ends the script, also in a loop that never returns. */
  terminate() {
    return this.#worker.terminate();
  }
}

module.exports = { ScriptThread, ScriptEnded };
