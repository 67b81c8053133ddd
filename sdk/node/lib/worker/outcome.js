// @ts-check
'use strict';
// Outcomes of jobs: status and output, made of the value that the function returned or the error that it threw.

const { Encoding } = require('../wire/constants.js');
const { EMPTY } = require('../wire/frames.js');
const headers = require('../wire/headers.js');
const { BadInput, isBadInput, isFailure } = require('../errors.js');
const { stringify } = require('../json.js');

/**
 * @typedef {object} Outcome
 * @property {Buffer} status encoded
 * @property {number} encoding of the output
 * @property {Buffer} output
 */

/**
 * @param {Buffer} status
 * @returns {Outcome}
 */
const withoutOutput = (status) => ({ status, encoding: Encoding.NONE, output: EMPTY });

const cancelled = () => withoutOutput(headers.cancelled);
/** @param {string} message */
const badInput = (message) => withoutOutput(headers.badInput(message));

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes an input or the worker data.
 *
 * @param {number} encoding
 * @param {Buffer} payload
 * @returns {unknown}
 * @throws {BadInput}
 */
function decode(encoding, payload) {
  if (encoding === Encoding.RAW) return owned(payload);
  if (encoding === Encoding.BINCODE) throw new BadInput('this worker takes JSON and raw bytes, not bincode');
  if (encoding === Encoding.NONE) throw new BadInput('there is no input; JSON or raw bytes are needed');
  try {
    return JSON.parse(utf8.decode(payload));
  } catch (error) {
    throw new BadInput(`the input is no JSON: ${messageOf(error)}`);
  }
}

/**
 * Gives bytes an ArrayBuffer of their own. The function may transfer or change it, and nobody else's bytes are in it.
 *
 * @param {Buffer} payload
 */
function owned(payload) {
  if (payload.byteLength === payload.buffer.byteLength) return payload;
  const copy = Buffer.allocUnsafeSlow(payload.length);
  copy.set(payload);
  return copy;
}

/**
 * @param {unknown} value
 * @returns {{ encoding: number, output: Buffer }}
 * @throws {TypeError} if it is no JSON
 */
function encode(value) {
  if (ArrayBuffer.isView(value)) {
    return { encoding: Encoding.RAW, output: Buffer.from(value.buffer, value.byteOffset, value.byteLength) };
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return { encoding: Encoding.RAW, output: Buffer.from(value) };
  }
  return { encoding: Encoding.JSON, output: Buffer.from(stringify(value)) };
}

/**
 * @param {unknown} value what the function returned
 * @param {number} maxPayload bytes
 * @returns {Outcome}
 */
function succeeded(value, maxPayload) {
  let encoded;
  try {
    encoded = encode(value);
  } catch (error) {
    const message = `the output cannot be sent: ${messageOf(error)}; return JSON or bytes`;
    console.error(`procpool: ${message}`);
    return withoutOutput(headers.broke({ code: codeOf(error), message }));
  }
  const { encoding, output } = encoded;
  if (output.length > maxPayload) return withoutOutput(headers.tooLarge(output.length, maxPayload));
  return { status: headers.ok, encoding, output };
}

/**
 * @param {unknown} error what the function threw
 * @param {boolean} isCancelled whether its job was cancelled
 * @returns {Outcome}
 */
function threw(error, isCancelled) {
  try {
    if (isCancelled && /** @type {any} */ (error)?.name === 'AbortError') return cancelled();
    if (isBadInput(error)) return badInput(messageOf(error));
    if (isFailure(error)) {
      const { code, details, retryable } = error;
      // Members can be changed, and JavaScript gives codes that are numbers.
      const parts = { code: String(code ?? 'failed'), message: messageOf(error), details };
      return withoutOutput(headers.failed({ ...parts, retryable: Boolean(retryable) }));
    }
  } catch {
    // An error whose members cannot be read.
  }
  return broke(error);
}

/**
 * The function broke; the worker did not. The trace goes to the log.
 *
 * @param {unknown} error
 */
function broke(error) {
  print(error);
  const location = locationOf(error);
  const details = location === undefined ? undefined : { location };
  return withoutOutput(headers.broke({ code: codeOf(error), message: messageOf(error), details }));
}

/**
 * An error that nobody caught.
 *
 * @param {unknown} error
 */
function panicked(error) {
  const name = nameOf(error);
  const message = name === undefined ? messageOf(error) : `${name}: ${messageOf(error)}`;
  return withoutOutput(headers.panicked(message, locationOf(error)));
}

/**
 * Prints an error for the log. Its members are the program's own code.
 *
 * @param {unknown} error
 */
function print(error) {
  try {
    console.error(error);
  } catch {
    console.error(`procpool: ${messageOf(error)}, which cannot be printed`);
  }
}

/**
 * Returns what a part of an error is, or undefined if it cannot be read.
 *
 * @template T
 * @param {unknown} error
 * @param {(error: NodeJS.ErrnoException) => T} part
 */
function read(error, part) {
  try {
    return error instanceof Error ? part(error) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns `ENOENT` and the like, or else the error's name.
 *
 * @param {unknown} error
 */
function codeOf(error) {
  const code = read(error, ({ code: given }) => given);
  return typeof code === 'string' && code !== '' ? code : (nameOf(error) ?? 'error');
}

/**
 * Returns the name of an error, and undefined if it is none.
 *
 * @param {unknown} error
 * @returns {string | undefined}
 */
function nameOf(error) {
  const name = read(error, ({ name: given }) => given);
  if (typeof name === 'string' && name !== '') return name;
  return read(error, () => 'Error');
}

/** @param {unknown} error */
function messageOf(error) {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return 'an error without a text';
  }
}

/**
 * Returns the place of the first line of a trace that is in a file.
 *
 * @param {unknown} error
 */
function locationOf(error) {
  const stack = read(error, ({ stack: given }) => given);
  return typeof stack === 'string' ? /\(?((?:file:\/\/)?\/[^()\n]+:\d+:\d+)\)?/.exec(stack)?.[1] : undefined;
}

module.exports = {
  decode,
  encode,
  succeeded,
  threw,
  broke,
  print,
  panicked,
  cancelled,
  badInput,
  messageOf,
  codeOf,
};
