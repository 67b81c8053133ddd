// @ts-check
'use strict';
// State that the guard shares with the thread that runs the jobs: cancels, credit, the arena for outputs.
//
// Numbers of jobs and arenas have 64 bits. Both threads change several cells together under a lock that is held for
// moments, so that credit of an earlier job never counts for the next one.

const { Limit } = require('../wire/constants.js');
const { lock, unlock } = require('./lock.js');

// Cells of 4 bytes.
const LOCK = 0;
const CREDIT = 1;
const NEXT_EARLY = 2;
const OUTPUT_LOCK = 3;
const EARLY_COUNT = 4;
// Cells of 8 bytes.
const RUNNING = 3;
const CANCELLED = 4;
const OUTPUT_NUMBER = 5;
const OUTPUT_LENGTH = 6;
const EARLY = 7;
const CELLS = EARLY + Limit.EARLY_CANCELS_COUNT;

/** No job and no arena has this number. */
const NONE = 0n;

class SharedState {
  #words;
  #numbers;

  /** @param {SharedArrayBuffer} [buffer] the memory of the other thread's `SharedState` */
  constructor(buffer = new (globalThis.SharedArrayBuffer ?? ArrayBuffer)(8 * CELLS)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#numbers = new BigUint64Array(buffer);
  }

  /**
   * Takes up a job. Forgets cancels of jobs before it.
   *
   * @param {bigint} sequence
   * @param {number} credit number of chunks
   * @returns {boolean} whether the job was cancelled before it came
   */
  begin(sequence, credit) {
    lock(this.#words, LOCK);
    this.#numbers[RUNNING] = sequence;
    this.#words[CREDIT] = credit;
    // Nearly never: 64 cells are not looked at for every job.
    const wasCancelled = this.#words[EARLY_COUNT] > 0 && this.#takeEarlyCancels(sequence);
    unlock(this.#words, LOCK);
    return wasCancelled;
  }

  /** @param {bigint} sequence */
  #takeEarlyCancels(sequence) {
    let wasCancelled = false;
    for (let i = EARLY; i < CELLS; i += 1) {
      if (this.#numbers[i] === NONE || this.#numbers[i] > sequence) continue;
      if (this.#numbers[i] === sequence) wasCancelled = true;
      this.#numbers[i] = NONE;
      this.#words[EARLY_COUNT] -= 1;
    }
    if (wasCancelled) Atomics.store(this.#numbers, CANCELLED, sequence);
    return wasCancelled;
  }

  /** @param {bigint} sequence of a job that was begun */
  isCancelled(sequence) {
    return Atomics.load(this.#numbers, CANCELLED) === sequence;
  }

  /**
   * Cancels a job that runs or has not come yet. A cancel of an earlier job is late and hits nobody.
   *
   * @param {bigint} sequence
   */
  cancel(sequence) {
    this.#locked(LOCK, () => {
      const running = this.#numbers[RUNNING];
      if (sequence < running) return;
      if (sequence === running) {
        Atomics.store(this.#numbers, CANCELLED, sequence);
        return;
      }
      const cell = EARLY + this.#words[NEXT_EARLY];
      if (this.#numbers[cell] === NONE) this.#words[EARLY_COUNT] += 1;
      this.#numbers[cell] = sequence;
      this.#words[NEXT_EARLY] = (this.#words[NEXT_EARLY] + 1) % Limit.EARLY_CANCELS_COUNT;
    });
  }

  /**
   * @param {bigint} sequence
   * @param {number} chunks
   */
  addCredit(sequence, chunks) {
    this.#locked(LOCK, () => {
      if (this.#numbers[RUNNING] === sequence)
        this.#words[CREDIT] = Math.min(this.#words[CREDIT] + chunks, 0x7fffffff);
    });
  }

  /** @returns {boolean} whether a chunk of the running job may be sent now */
  takeCredit() {
    return this.#locked(LOCK, () => {
      if (this.#words[CREDIT] <= 0) return false;
      this.#words[CREDIT] -= 1;
      return true;
    });
  }

  /**
   * Replaces the arena for outputs. Waits for an output that is being written.
   *
   * @param {bigint} number 0: there is none
   * @param {bigint} length bytes
   */
  setOutputArena(number, length) {
    this.#locked(OUTPUT_LOCK, () => {
      this.#numbers[OUTPUT_NUMBER] = number;
      this.#numbers[OUTPUT_LENGTH] = length;
    });
  }

  /**
   * Calls `use` while nobody replaces the arena for outputs.
   *
   * @template T
   * @param {(number: bigint, length: bigint) => T} use
   */
  withOutputArena(use) {
    return this.#locked(OUTPUT_LOCK, () => use(this.#numbers[OUTPUT_NUMBER], this.#numbers[OUTPUT_LENGTH]));
  }

  /**
   * @template T
   * @param {number} cell
   * @param {() => T} act
   */
  #locked(cell, act) {
    lock(this.#words, cell);
    try {
      return act();
    } finally {
      unlock(this.#words, cell);
    }
  }
}

module.exports = { SharedState, NO_ARENA: NONE };
