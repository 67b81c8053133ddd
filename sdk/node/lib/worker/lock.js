// @ts-check
'use strict';
// Cells in shared memory, and a lock there, which a thread holds for moments. Nobody who is alone pays for a wake-up.
//
// Node can be started without shared memory. Then one thread is all that there is.

const IS_SHARED = 'Atomics' in globalThis;

const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/**
 * @param {Int32Array} words
 * @param {number} cell
 */
function lock(words, cell) {
  if (!IS_SHARED) return;
  if (Atomics.compareExchange(words, cell, FREE, HELD) === FREE) return;
  while (Atomics.exchange(words, cell, AWAITED) !== FREE) Atomics.wait(words, cell, AWAITED);
}

/**
 * @param {Int32Array} words
 * @param {number} cell
 */
function unlock(words, cell) {
  if (IS_SHARED && Atomics.exchange(words, cell, FREE) === AWAITED) Atomics.notify(words, cell, 1);
}

/**
 * @param {Int32Array} words
 * @param {number} cell
 */
function load(words, cell) {
  return IS_SHARED ? Atomics.load(words, cell) : words[cell];
}

/**
 * @param {Int32Array} words
 * @param {number} cell
 * @param {number} value
 */
function store(words, cell, value) {
  if (IS_SHARED) Atomics.store(words, cell, value);
  else words[cell] = value;
}

module.exports = { load, lock, store, unlock };
