// @ts-check
'use strict';
// Generators as jobs: what they yield are chunks, what they return is the output.

/**
 * Whether a result streams: a generator, or anything else that iterates asynchronously.
 *
 * @param {any} result
 * @returns {result is Iterator<unknown> | AsyncIterator<unknown>}
 */
function isStream(result) {
  if (result === null || typeof result !== 'object') return false;
  if (typeof result[Symbol.asyncIterator] === 'function') return true;
  return typeof result.next === 'function' && typeof result[Symbol.iterator] === 'function';
}

/**
 * Emits what an iterator yields, and waits for credit in between. Its `finally` blocks run if the job is cancelled.
 *
 * @param {any} result
 * @param {import('./context.js').Context} context
 * @returns {Promise<unknown>} what the iterator returned
 */
async function pull(result, context) {
  const iterator = typeof result.next === 'function' ? result : result[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await iterator.next();
    if (done) return value;
    try {
      await context.chunk(value);
      context.check();
    } catch (error) {
      await iterator.return?.();
      throw error;
    }
  }
}

module.exports = { isStream, pull };
