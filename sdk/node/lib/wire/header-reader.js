// @ts-check
'use strict';
// Reads header messages that are not JSON: `Job` and `Credit`.

const { Limit } = require('./constants.js');
const { WireError } = require('./frames.js');

const TWO_POW_32 = 2 ** 32;
const ID_LENGTH = 16;

/** Reads the fields of one header message. */
class HeaderReader {
  #bytes;
  #at = 0;

  /** @param {Buffer} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  /**
   * Passes over a field, and returns its place.
   *
   * @param {number} length
   */
  skip(length) {
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new WireError('a header message ends early');
    return from;
  }

  /** @param {number} length */
  take(length) {
    const from = this.skip(length);
    return this.#bytes.subarray(from, this.#at);
  }

  u8() {
    return this.#bytes[this.skip(1)];
  }

  /**
   * A longer form than is needed is accepted as long as it is no wider than the type.
   *
   * @param {number} width bytes of the type
   */
  #varint(width) {
    const first = this.u8();
    if (first < 251) return first;
    if (first > 253) throw new WireError(`byte ${first} begins no varint`);
    const length = 2 << (first - 251);
    if (length > width) throw new WireError('a number of a header message is wider than its type');
    const at = this.skip(length);
    if (length === 2) return this.#bytes.readUInt16LE(at);
    const low = this.#bytes.readUInt32LE(at);
    return length === 4 ? low : low + this.#bytes.readUInt32LE(at + 4) * TWO_POW_32;
  }

  /** Exact up to 2⁵³, which no number reaches that a worker compares. */
  u64() {
    return this.#varint(8);
  }

  u32() {
    return this.#varint(4);
  }

  u16() {
    return this.#varint(2);
  }

  /** Whether an option has a value, which follows. */
  some() {
    const tag = this.u8();
    if (tag > 1) throw new WireError(`byte ${tag} begins no option`);
    return tag === 1;
  }

  end() {
    if (this.#at !== this.#bytes.length) throw new WireError('a header message is followed by more bytes');
  }
}

/** @type {Map<number, Buffer>} */
const NO_EXTRAS = new Map();

/** The header message of a `Job`. */
class JobHeader {
  #bytes;

  /**
   * @param {Buffer} bytes
   * @throws {WireError}
   */
  constructor(bytes) {
    this.#bytes = bytes;
    const reader = new HeaderReader(bytes);
    reader.skip(ID_LENGTH);
    this.attempt = reader.u32();
    /** Nanoseconds; undefined without a deadline. */
    this.remaining = reader.some() ? reader.u64() : undefined;
    /** Encoding in which the output is wanted. */
    this.reply = reader.u8();
    /** Number of chunks; undefined if nobody listens. */
    this.credit = reader.some() ? reader.u32() : undefined;
    this.extras = readExtras(reader);
    reader.end();
  }

  /** 32 hexadecimal digits. */
  get id() {
    return this.#bytes.toString('hex', 0, ID_LENGTH);
  }
}

/** @param {HeaderReader} reader */
function readExtras(reader) {
  const count = reader.u64();
  if (count === 0) return NO_EXTRAS;
  if (count > Limit.EXTRAS_COUNT)
    throw new WireError(`a job has ${count} extras; the maximum is ${Limit.EXTRAS_COUNT}`);
  /** @type {Map<number, Buffer>} */
  const extras = new Map();
  for (let i = 0; i < count; i += 1) {
    const tag = reader.u16();
    extras.set(tag, Buffer.from(reader.take(reader.u64())));
  }
  return extras;
}

/**
 * @param {Buffer} bytes
 * @returns {number} chunks
 */
function readCredit(bytes) {
  const reader = new HeaderReader(bytes);
  const chunks = reader.u32();
  reader.end();
  return chunks;
}

module.exports = { JobHeader, readCredit };
