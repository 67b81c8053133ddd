// @ts-check
'use strict';
// Starts a real worker thread with a module of this package loaded before the script.

const { Worker } = require('node:worker_threads');

/** Options of this process that a thread inherits, but must not be given. @type {Set<string>} */
const notForThreads = new Set();

/**
 * @param {string | URL} script
 * @param {import('node:worker_threads').WorkerOptions} options
 * @param {string} preload absolute path
 */
function newThread(script, options, preload) {
  const inherited = options.execArgv ?? process.execArgv.filter((option) => !notForThreads.has(option));
  try {
    return new Worker(script, { ...options, execArgv: [...inherited, '--require', preload] });
  } catch (error) {
    if (options.execArgv || !noteInvalid(/** @type {NodeJS.ErrnoException} */ (error))) throw error;
    return newThread(script, options, preload);
  }
}

/**
 * Notes the options that Node names in its error.
 *
 * @param {NodeJS.ErrnoException} error
 * @returns {boolean} whether there is something to try again
 */
function noteInvalid({ code, message }) {
  if (code !== 'ERR_WORKER_INVALID_EXEC_ARGV') return false;
  const before = notForThreads.size;
  for (const option of process.execArgv) if (message.includes(option)) notForThreads.add(option);
  return notForThreads.size > before;
}

/**
 * Called by the preloaded module: the script sees the options that its host gave, and no others.
 *
 * @param {string} preload absolute path
 */
function hidePreload(preload) {
  const at = process.execArgv.lastIndexOf(preload);
  if (at > 0) process.execArgv.splice(at - 1, 2);
}

module.exports = { newThread, hidePreload };
