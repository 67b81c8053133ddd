// @ts-check
'use strict';
// The page: memory at descriptor 5 that tells the coordinator which job a dead worker had begun.
//
// Node cannot map it. One `pwrite` writes both numbers, which a kill cannot cut in two.

const fs = require('node:fs');

const PAGE_FD = 5;
const MAGIC = 'procpool page 2\n';
const FOUND = 0x6765706170656b21n;
const FOUND_AT = 16;
const ASKED_BACK_AT = 24;
const MAGIC_AT = 32;
const RING_AT = 4096;
const TWO_POW_32 = 2 ** 32;

class Page {
  #numbers = new DataView(new ArrayBuffer(16));
  #askedBack = new DataView(new ArrayBuffer(8));
  #begun = 0n;

  /** @returns {Page | undefined} undefined if descriptor 5 is something else, which is left alone */
  static open() {
    const magic = Buffer.alloc(MAGIC.length);
    try {
      fs.readSync(PAGE_FD, magic, 0, magic.length, MAGIC_AT);
      if (magic.toString('latin1') !== MAGIC) return undefined;
      const found = Buffer.alloc(8);
      found.writeBigUInt64LE(FOUND);
      fs.writeSync(PAGE_FD, found, 0, 8, FOUND_AT);
      return new Page();
    } catch {
      return undefined;
    }
  }

  /**
   * Notes that a job begins.
   *
   * @param {bigint} sequence
   * @param {number} output bytes of output in all
   * @returns {boolean} false if the job was asked back: it is another worker's
   */
  begin(sequence, output) {
    this.#write(sequence, output);
    fs.readSync(PAGE_FD, this.#askedBack, 0, 8, ASKED_BACK_AT);
    if (sequence > this.#askedBack.getBigUint64(0, true)) {
      this.#begun = sequence;
      return true;
    }
    this.#write(this.#begun, output);
    return false;
  }

  /** @param {number} output bytes of output in all */
  note(output) {
    this.#write(this.#begun, output);
  }

  /**
   * Keeps an answer that waits, in case this process dies before it is sent.
   *
   * @param {Buffer} ring
   * @param {number} at its place in the ring
   * @param {number} length bytes
   */
  keep(ring, at, length) {
    fs.writeSync(PAGE_FD, ring, at, length, RING_AT + at);
  }

  /**
   * @param {bigint} begun
   * @param {number} output
   */
  #write(begun, output) {
    this.#numbers.setBigUint64(0, begun, true);
    this.#numbers.setUint32(8, output >>> 0, true);
    this.#numbers.setUint32(12, Math.floor(output / TWO_POW_32), true);
    fs.writeSync(PAGE_FD, this.#numbers, 0, 16, 0);
  }
}

module.exports = { Page, PAGE_FD };
