// @ts-check
'use strict';
// Errors on their way from a worker's script to the host.

const { CloneError, deserialize, serialize } = require('../clone.js');

/** The process of a worker ended, and not by `process.exit` or the end of its script. */
class WorkerCrashed extends Error {
  /**
   * @param {number | null} exitCode
   * @param {NodeJS.Signals | null} signal
   */
  constructor(exitCode, signal) {
    super(`the worker's process ended by ${signal ?? `exit code ${exitCode}`}`);
    this.name = 'WorkerCrashed';
    this.code = 'ERR_WORKER_CRASHED';
    this.exitCode = exitCode;
    this.signal = signal;
  }
}

/** Classes that a host has, too. An error of another class becomes one of the class that it extends. */
const CLASSES = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
};

/**
 * @typedef {object} PackedError
 * @property {Buffer} [value] what was thrown, if it is no error
 * @property {keyof typeof CLASSES} [className]
 * @property {string} [message]
 * @property {string} [stack]
 * @property {[string, Buffer][]} [members] further members
 *
 * @param {unknown} error
 * @returns {PackedError}
 */
function packError(error) {
  if (!(error instanceof Error)) return { value: tryToSerialize(error) ?? serialize(String(error)) };
  /** @type {[string, Buffer][]} */
  const members = [];
  for (const key of new Set(['name', 'cause', ...Object.keys(error)])) {
    const value = tryToSerialize(/** @type {any} */ (error)[key]);
    if (value) members.push([key, value]);
  }
  return { className: classNameOf(error), message: String(error.message), stack: error.stack, members };
}

/**
 * @param {Error} error
 * @returns {keyof typeof CLASSES}
 */
function classNameOf(error) {
  for (let it = Object.getPrototypeOf(error); it !== null; it = Object.getPrototypeOf(it)) {
    const { name } = it.constructor;
    if (Object.hasOwn(CLASSES, name)) return name;
  }
  return 'Error';
}

/** @param {unknown} value */
function tryToSerialize(value) {
  if (value === undefined) return undefined;
  try {
    return serialize(value);
  } catch (error) {
    if (error instanceof CloneError) return undefined;
    throw error;
  }
}

/**
 * @param {PackedError} packed
 * @returns {unknown}
 */
function unpackError({ value, className = 'Error', message, stack, members = [] }) {
  if (value) return deserialize(Buffer.from(value));
  const error = /** @type {any} */ (new Error(message)); // A native one, which inspectors know.
  Object.setPrototypeOf(error, CLASSES[className].prototype);
  error.stack = stack; // None, if the script could not make one.
  for (const [key, bytes] of members) {
    const member = deserialize(Buffer.from(bytes));
    const isListed = key !== 'name' && key !== 'cause';
    if (error[key] !== member) {
      Object.defineProperty(error, key, {
        value: member,
        enumerable: isListed,
        writable: true,
        configurable: true,
      });
    }
  }
  return error;
}

/**
 * Returns the error of a message that was sent and cannot be read. V8 writes a module of WebAssembly without a word,
 * and leaves it out.
 *
 * @param {unknown} cause
 */
function unreadable(cause) {
  const message = 'a message cannot be read in another process: send the bytes of a WebAssembly.Module';
  return Object.assign(new CloneError(message), { cause });
}

module.exports = { WorkerCrashed, packError, unpackError, unreadable };
