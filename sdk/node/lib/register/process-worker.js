// @ts-check
'use strict';
// `Worker` of worker_threads, as a process.
//
// The process runs the script in a thread of its own (child.js), so the script finds everything as in a thread. This
// side is its coordinator: it speaks the wire, in the mode `messages`, with structured clones as payloads.

const { spawn } = require('node:child_process');
const { EventEmitter } = require('node:events');
const path = require('node:path');
const { PassThrough, Readable } = require('node:stream');
const { SHARE_ENV } = require('node:worker_threads');
const { deserialize, detach, serialize } = require('../clone.js');
const { Encoding, Kind, Limit } = require('../wire/constants.js');
const { FrameReader } = require('../wire/frame-reader.js');
const { frame, jsonFrame, preamble } = require('../wire/frames.js');
const { WorkerCrashed, packError, unpackError, unreadable } = require('./errors.js');
const { watch } = require('./orphans.js');
const { inheritedOptions, resolveScript } = require('./script.js');

const CHILD = path.join(__dirname, 'child.js');
/** Exit code that `terminate` resolves to, as with threads. */
const TERMINATED = 1;
/** Time after a worker's end in which its last lines are waited for, in milliseconds. */
const PRINTING = 1000;

/** Entries of `setEnvironmentData`. @type {Map<unknown, unknown>} */
const environmentData = new Map();

let lastThreadId = 0;

class ProcessWorker extends EventEmitter {
  #child;
  #forget;
  #jobs;
  #control;
  #resourceLimits;
  /** @type {number | undefined} */
  #exitCode;
  #isTerminated = false;
  #hasExited = false;
  /** @type {Promise<number>} */
  #exited;
  /** Resolve once everything that the worker printed was read. @type {Promise<unknown>[]} */
  #closed = [];

  /**
   * @param {string | URL} filename
   * @param {import('node:worker_threads').WorkerOptions & { name?: string }} [options]
   */
  constructor(filename, options = {}) {
    super();
    const source = resolveScript(filename, options);
    if (options.env === SHARE_ENV) {
      throw new TypeError(
        'SHARE_ENV cannot hold: the worker is another process. Pass a copy: env: { ...process.env }',
      );
    }
    lastThreadId += 1;
    this.threadId = lastThreadId;
    this.#resourceLimits = options.resourceLimits ?? {};
    const { argv, execArgv, name, workerData, transferList, resourceLimits, stdin } = options;
    const { NODE_CHANNEL_FD, ...inherited } = process.env; // It has no channel of child_process.fork().
    const env = mapValues(options.env ?? process.env, String);
    const thread = { argv: argv?.map(String), execArgv, env, name, resourceLimits, stdin };
    const data = [...environmentData];
    const start = serialize({ source, thread, workerData, threadId: this.threadId, environmentData: data });
    detach(transferList);

    this.#child = spawn(process.execPath, [...inheritedOptions(process.execArgv), CHILD], {
      detached: true, // A process group of its own, which ends with it.
      stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: inherited,
    });
    this.#forget = watch(this.#child.pid);
    const [input, output, errors, jobs, control] = streamsOf(this.#child);
    this.stdin = input;
    this.stdout = this.#printed(output);
    this.stderr = this.#printed(errors);
    if (!options.stdout) this.stdout.on('data', (data) => process.stdout.write(data));
    if (!options.stderr) this.stderr.on('data', (data) => process.stderr.write(data));
    this.#jobs = jobs;
    this.#control = control;
    const welcome = {
      mode: 'messages',
      owned: true,
      worker: `worker-${this.threadId}`,
      max_payload: Limit.PAYLOAD,
    };
    const opening = jsonFrame(Kind.WELCOME, welcome, { payload: start, encoding: Encoding.RAW });
    this.#jobs.write(Buffer.concat([preamble(), opening]));
    this.#exited = this.#watch();
    process.nextTick(() => process.emit('worker', /** @type {any} */ (this)));
  }

  /**
   * Returns what the worker prints. It is kept for a host that reads it after the worker's end: what is left in the
   * stream of a child process is then lost.
   *
   * @param {import('node:stream').Readable} from
   */
  #printed(from) {
    const to = new Readable({ read: () => from.resume() });
    from.on('data', (/** @type {Buffer} */ data) => to.push(data) || from.pause());
    const closed = new Promise((resolve) => from.on('close', resolve));
    this.#closed.push(closed.then(() => to.push(null)));
    return to;
  }

  /** Resolves once the process has ended and everything that it sent was read. */
  async #watch() {
    const reader = new FrameReader('coordinator', (message) => this.#take(message));
    this.#jobs.on('data', (/** @type {Buffer} */ data) => {
      try {
        reader.push(data);
      } catch (error) {
        this.#kill();
        this.emit('error', error);
      }
    });
    for (const socket of [this.#jobs, this.#control]) socket.on('error', () => {}); // Its end says the same.
    const silent = new Promise((resolve) => this.#jobs.on('close', resolve));
    const [code, signal] = await new Promise((resolve) => {
      this.#child.on('exit', (...how) => resolve(how));
      this.#child.on('error', (error) => {
        this.#exitCode = TERMINATED; // It could not be started: there is no crash to tell.
        resolve([TERMINATED, null]);
        this.emit('error', error);
      });
    });
    this.#kill(); // Programs that the script has started end with it.
    this.#forget();
    await silent;
    // A program that left the process group may hold the streams open for ever.
    await atMost(PRINTING, Promise.all(this.#closed));
    this.#control.destroy();
    this.threadId = -1;
    this.#hasExited = true;
    if (this.#isTerminated) {
      this.#exitCode = TERMINATED;
    } else if (this.#exitCode === undefined) {
      this.#exitCode = code ?? TERMINATED;
      queueMicrotask(() => this.emit('exit', this.#exitCode));
      this.emit('error', new WorkerCrashed(code, signal));
      return /** @type {number} */ (this.#exitCode);
    }
    this.emit('exit', this.#exitCode);
    return /** @type {number} */ (this.#exitCode);
  }

  /** @param {import('../wire/frames.js').Frame} message */
  #take({ kind, payload }) {
    if (kind !== Kind.MESSAGE) return;
    const { event, value } = readMessage(payload);
    if (event === 'exit') {
      this.#exitCode = value;
      return;
    }
    const argument = event === 'error' || event === 'messageerror' ? unpackError(value) : value;
    // A tick of its own: what one listener throws loses no other event.
    process.nextTick(() => this.#isTerminated || this.emit(event, argument));
  }

  /**
   * @param {unknown} value
   * @param {readonly unknown[] | { transfer?: readonly unknown[] }} [transfer]
   * @throws {CloneError}
   */
  postMessage(value, transfer = []) {
    if (this.#hasExited) return;
    const payload = serialize(value);
    detach(Array.isArray(transfer) ? transfer : /** @type {any} */ (transfer).transfer);
    if (this.#jobs.writable) this.#jobs.write(frame(Kind.MESSAGE, { payload, encoding: Encoding.RAW }));
  }

  /**
   * @param {(error: null, exitCode: number) => void} [callback] deprecated, as with threads
   * @returns {Promise<number | undefined>} the exit code; undefined if the worker had ended before
   */
  async terminate(callback) {
    if (typeof callback === 'function') {
      const hint = 'Passing a callback to worker.terminate() is deprecated. It returns a Promise instead.';
      process.emitWarning(hint, 'DeprecationWarning', 'DEP0132');
      if (!this.#hasExited) this.once('exit', (exitCode) => callback(null, exitCode));
    }
    if (this.#hasExited) return undefined;
    this.ref(); // The promise keeps the program alive.
    this.#isTerminated = true;
    this.#kill();
    return this.#exited;
  }

  #kill() {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  }

  ref() {
    for (const handle of this.#handles()) handle.ref();
  }

  unref() {
    for (const handle of this.#handles()) handle.unref();
  }

  /** @returns {{ ref(): unknown, unref(): unknown }[]} */
  #handles() {
    const handles = /** @type {any[]} */ ([this.#child, ...(this.#child.stdio ?? [])]);
    return handles.filter((handle) => handle !== null);
  }

  get resourceLimits() {
    return this.#hasExited ? {} : this.#resourceLimits;
  }

  get performance() {
    return { eventLoopUtilization: () => ({ idle: 0, active: 0, utilization: 0 }) };
  }

  async [/** @type {any} */ (Symbol).asyncDispose ?? Symbol('asyncDispose')]() {
    await this.terminate();
  }
}

for (const name of [
  'getHeapSnapshot',
  'getHeapStatistics',
  'cpuUsage',
  'startCpuProfile',
  'startHeapProfile',
]) {
  const refuse = /** @this {ProcessWorker} */ async function () {
    if (this.threadId === -1) {
      throw Object.assign(new Error('Worker instance not running'), { code: 'ERR_WORKER_NOT_RUNNING' });
    }
    throw new Error(
      `${name}() cannot look into another process: use \`node:v8\` or \`process\` in the worker's script`,
    );
  };
  Object.defineProperty(ProcessWorker.prototype, name, { value: refuse, configurable: true, writable: true });
}

/**
 * Returns the streams of a process. One that could not be started for want of file descriptors has none at all.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @returns {any[]}
 */
function streamsOf(child) {
  return child.stdio ?? Array.from({ length: 5 }, () => new PassThrough().destroy());
}

/**
 * Reads what the process of a worker has sent.
 *
 * @param {Buffer} payload
 * @returns {{ event: string, value: any }}
 */
function readMessage(payload) {
  try {
    return deserialize(payload);
  } catch (error) {
    return { event: 'messageerror', value: packError(unreadable(error)) };
  }
}

/**
 * Waits for a promise, and no longer than this time.
 *
 * @param {number} milliseconds
 * @param {Promise<unknown>} promise
 */
async function atMost(milliseconds, promise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const passed = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, passed]);
  clearTimeout(timer);
}

/**
 * @param {object} object
 * @param {(value: unknown) => unknown} map
 */
function mapValues(object, map) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}

module.exports = { ProcessWorker, environmentData, CHILD };
