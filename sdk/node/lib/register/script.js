// @ts-check
'use strict';
// Which script and which options a `new Worker(...)` means, by the rules of worker_threads.

const path = require('node:path');
const { fileURLToPath } = require('node:url');
const { Worker: Thread } = require('node:worker_threads');

/**
 * @typedef {object} ScriptSource
 * @property {string} script absolute path, `data:` URL or code
 * @property {boolean} isUrl
 * @property {boolean} isCode
 */

/**
 * @param {unknown} filename
 * @param {import('node:worker_threads').WorkerOptions} options
 * @returns {ScriptSource}
 * @throws {TypeError} what Node throws
 */
function resolveScript(filename, options) {
  checkOptions(options);
  if (options.eval && typeof filename === 'string') return { script: filename, isUrl: false, isCode: true };
  if (!options.eval && filename instanceof URL) {
    if (filename.protocol === 'data:') return { script: filename.href, isUrl: true, isCode: false };
    if (filename.protocol === 'file:')
      return { script: fileURLToPath(filename), isUrl: false, isCode: false };
  }
  if (!options.eval && typeof filename === 'string') {
    if (path.isAbsolute(filename)) return { script: filename, isUrl: false, isCode: false };
    if (/^\.\.?[\\/]/.test(filename)) return { script: path.resolve(filename), isUrl: false, isCode: false };
  }
  return refuse(/** @type {any} */ (filename), options);
}

/**
 * Lets Node itself say what is wrong with the options of a thread.
 *
 * @param {import('node:worker_threads').WorkerOptions} options
 */
function checkOptions({ argv, execArgv, env }) {
  const isPlain = execArgv === undefined || (Array.isArray(execArgv) && execArgv.length === 0);
  if (argv === undefined && env === undefined && isPlain) return;
  const thread = new Thread('', { eval: true, argv, execArgv, env });
  thread.on('error', () => {});
  thread.unref();
  thread.terminate();
}

/**
 * @param {any} filename
 * @param {import('node:worker_threads').WorkerOptions} options
 * @returns {never}
 */
function refuse(filename, options) {
  new Thread(filename, options).terminate();
  throw new TypeError(`a worker cannot run ${String(filename)}`); // Node knows more than this package.
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
