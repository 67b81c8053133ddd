// @ts-check
'use strict';
// A lock in shared memory, which a thread holds for moments. Nobody who is alone pays for a wake-up.

const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/**
 * @param {Int32Array} words
 * @param {number} cell
 */
function lock(words, cell) {
  if (Atomics.compareExchange(words, cell, FREE, HELD) === FREE) return;
  while (Atomics.exchange(words, cell, AWAITED) !== FREE) Atomics.wait(words, cell, AWAITED);
}

/**
 * @param {Int32Array} words
 * @param {number} cell
 */
function unlock(words, cell) {
  if (Atomics.exchange(words, cell, FREE) === AWAITED) Atomics.notify(words, cell, 1);
}

module.exports = { lock, unlock };
