// @ts-check
'use strict';
// A script on the main thread, which believes that it is in a thread: for `process_per_job`, where a thread besides
// would be a waste. A script that never returns costs the process.

const { createRequire, syncBuiltinESMExports } = require('node:module');
const { pathToFileURL } = require('node:url');
const { isModuleNamespaceObject } = require('node:util/types');
const threads = require('node:worker_threads');

/** Codes of errors that send a caller of `require` to `import`. @type {Set<string | undefined>} */
const NOT_BY_REQUIRE = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);

class MainScript {
  #file;
  #workerData;
  #loads = 0;
  /** Whether it is an ES module, which `require` loads once at most. */
  #isModule;
  /** The script's end of the channel is a port like any other. */
  #channel = new threads.MessageChannel();
  /** @type {((message: unknown) => void) | undefined} */
  #answer;

  /**
   * @param {string} file absolute path
   * @param {{ args: string[], workerData: unknown }} options `workerData`: undefined for the job's input
   */
  constructor(file, { args, workerData }) {
    this.#file = file;
    this.#isModule = file.endsWith('.mjs');
    this.#workerData = workerData;
    this.#channel.port2.on('message', (message) => this.#answer?.(message));
    this.#channel.port2.unref();
    Object.assign(threads, { parentPort: this.#channel.port1, isMainThread: false });
    this.scriptArgs = args;
  }

  /**
   * @param {unknown} input
   */
  async run(input) {
    const answer = new Promise((resolve) => {
      this.#answer = resolve;
    });
    if (!this.#isListening) await this.#load(input);
    if (this.#isListening) {
      this.#channel.port2.postMessage(input);
    } else {
      // It worked while it was loaded, or goes on in promises and callbacks.
      const { message } = threads.receiveMessageOnPort(this.#channel.port2) ?? { message: this };
      if (message !== this) return message;
    }
    return answer;
  }

  get #isListening() {
    return /** @type {any} */ (this.#channel.port1).hasRef(); // @types/node does not know it.
  }

  /** @param {unknown} input */
  async #load(input) {
    Object.assign(threads, { workerData: this.#workerData === undefined ? input : this.#workerData });
    syncBuiltinESMExports(); // `import { workerData }` binds to these.
    process.argv.splice(1, Infinity, this.#file, ...this.scriptArgs);
    this.#loads += 1;
    const fresh = pathToFileURL(this.#file).href + (this.#loads > 1 ? `?load=${this.#loads}` : '');
    if (this.#isModule) {
      await import(fresh);
      return;
    }
    const require = createRequire(this.#file);
    delete require.cache[this.#file];
    try {
      this.#isModule = isModuleNamespaceObject(require(this.#file));
    } catch (error) {
      if (!NOT_BY_REQUIRE.has(/** @type {NodeJS.ErrnoException} */ (error).code)) throw error;
      this.#isModule = true;
      await import(fresh);
    }
  }
}

module.exports = { MainScript };
