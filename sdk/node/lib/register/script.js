// @ts-check
'use strict';
// Which script a `new Worker(...)` means, by the rules of worker_threads.

const path = require('node:path');
const { fileURLToPath } = require('node:url');

/**
 * @typedef {object} ScriptSource
 * @property {string} script absolute path, `data:` URL or code
 * @property {boolean} isUrl
 * @property {boolean} isCode
 */

/**
 * @param {unknown} filename
 * @param {{ eval?: unknown }} options
 * @returns {ScriptSource}
 * @throws {TypeError}
 */
function resolveScript(filename, options) {
  if (options.eval) {
    if (typeof filename !== 'string') {
      throw invalid('ERR_INVALID_ARG_VALUE', "options.eval must be false when 'filename' is not a string");
    }
    return { script: filename, isUrl: false, isCode: true };
  }
  if (filename instanceof URL) {
    if (filename.protocol === 'data:') return { script: filename.href, isUrl: true, isCode: false };
    return { script: fileURLToPath(filename), isUrl: false, isCode: false };
  }
  if (typeof filename !== 'string') {
    throw invalid(
      'ERR_INVALID_ARG_TYPE',
      `The "filename" argument must be a string or a URL. Received ${filename}`,
    );
  }
  if (path.isAbsolute(filename)) return { script: filename, isUrl: false, isCode: false };
  if (!/^\.\.?[\\/]/.test(filename)) {
    throw invalid(
      'ERR_WORKER_PATH',
      "The worker script or module filename must be an absolute path or a relative path starting with './' or '../'. " +
        `Received "${filename}"`,
    );
  }
  return { script: path.resolve(filename), isUrl: false, isCode: false };
}

/**
 * @param {string} code
 * @param {string} message
 */
function invalid(code, message) {
  return Object.assign(new TypeError(message), { code });
}

/** Options of Node that mean something else than how code runs, and take the next argument along. */
const WITH_VALUE = new Set(['-e', '--eval', '-p', '--print', '-pe']);
const UNWANTED =
  /^(-e|--eval|-p|--print|-pe|-i|--interactive|-c|--check|--test.*|--watch.*|--inspect.*)(=.*)?$/;

/**
 * Returns the options of this process that its workers' processes have, too.
 *
 * @param {readonly string[]} options
 */
function inheritedOptions(options) {
  const inherited = [];
  for (let i = 0; i < options.length; i += 1) {
    if (!UNWANTED.test(options[i])) inherited.push(options[i]);
    else if (WITH_VALUE.has(options[i])) i += 1;
  }
  return inherited;
}

module.exports = { resolveScript, inheritedOptions };
