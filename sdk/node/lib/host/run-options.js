// @ts-check
'use strict';
// The options of a job, as Piscina takes them: `null` is none, a file may be a URL, and a signal an EventEmitter.

const path = require('node:path');
const { fileURLToPath } = require('node:url');

/**
 * @typedef {object} RunOptions
 * @property {AbortSignal | import('node:events').EventEmitter | null} [signal]
 * @property {number | string | null} [timeout] a number is milliseconds
 * @property {string | null} [name]
 * @property {string | URL | null} [filename]
 * @property {readonly unknown[] | null} [transferList]
 *
 * @param {RunOptions} options
 */
function normalizeRun({ signal, timeout, name, filename, transferList }) {
  const limit = typeof timeout === 'number' ? `${timeout}ms` : timeout;
  return {
    signal: abortSignal(signal ?? undefined),
    query: limit === undefined || limit === null ? '' : `?timeout=${encodeURIComponent(limit)}`,
    choice: { name: name ?? undefined, file: filename ? absolute(filename) : undefined },
    transferList: transferList ?? [],
  };
}

/**
 * @param {AbortSignal | import('node:events').EventEmitter | undefined} signal
 * @returns {AbortSignal | undefined}
 */
function abortSignal(signal) {
  if (signal === undefined || 'addEventListener' in signal) return /** @type {AbortSignal} */ (signal);
  const abort = new AbortController();
  signal.once('abort', () => abort.abort());
  return abort.signal;
}

/**
 * Returns the path of a file that is named by a path or a `file:` URL.
 *
 * @param {string | URL} filename
 */
function absolute(filename) {
  const name = String(filename);
  return path.resolve(name.startsWith('file:') ? fileURLToPath(name) : name);
}

module.exports = { normalizeRun, absolute };
