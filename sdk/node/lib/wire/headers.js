// @ts-check
'use strict';
// Header messages that are not JSON: varints, texts, `Job`, `Done`, `Failure`, `Progress`, `Credit`.

const { DoneExtra, Limit, Status } = require('./constants.js');
const { WireError } = require('./frames.js');

const MAX_U32 = 0xffffffff;
const MAX_U64 = 0xffffffffffffffffn;
const NONE = Buffer.from([0]);
const SOME = Buffer.from([1]);

/**
 * @param {number | bigint} number a non-negative integer of at most 64 bits
 * @returns {Buffer} in its shortest form
 */
function varint(number) {
  if (number < 251) return Buffer.from([Number(number)]);
  if (number <= 0xffff) {
    const bytes = Buffer.from([0xfb, 0, 0]);
    bytes.writeUInt16LE(Number(number), 1);
    return bytes;
  }
  if (number <= MAX_U32) {
    const bytes = Buffer.from([0xfc, 0, 0, 0, 0]);
    bytes.writeUInt32LE(Number(number), 1);
    return bytes;
  }
  const bytes = Buffer.from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0]);
  bytes.writeBigUInt64LE(BigInt(number), 1);
  return bytes;
}

/**
 * Cuts a text to the limit, at the boundary of a character. A lone surrogate becomes U+FFFD.
 *
 * @param {string} string
 */
function cutText(string) {
  const bytes = Buffer.from(string);
  if (bytes.length <= Limit.TEXT) return bytes;
  let end = Limit.TEXT;
  while ((bytes[end] & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

/** @param {string} string */
function text(string) {
  const bytes = cutText(string);
  return Buffer.concat([varint(bytes.length), bytes]);
}

/**
 * @template T
 * @param {T | null | undefined} value
 * @param {(value: T) => Buffer} encode
 */
function option(value, encode) {
  return value === undefined || value === null ? NONE : Buffer.concat([SOME, encode(value)]);
}

/**
 * @typedef {object} FailureParts
 * @property {string} code
 * @property {string} message
 * @property {unknown} [details] left out if it is no JSON, or too long: half of a JSON text is none
 * @property {boolean} [retryable]
 *
 * @param {FailureParts} failure
 */
function failure({ code, message, details, retryable = false }) {
  const json = detailsJson(details);
  return Buffer.concat([text(code), text(message), option(json, text), retryable ? SOME : NONE]);
}

/** @param {unknown} details */
function detailsJson(details) {
  if (details === undefined) return null;
  try {
    const json = JSON.stringify(details);
    return json !== undefined && Buffer.byteLength(json) <= Limit.TEXT ? json : null;
  } catch {
    return null;
  }
}

// Statuses of `Done`, encoded.

const ok = Buffer.from([Status.OK]);
const cancelled = Buffer.from([Status.CANCELLED]);
/** @param {string} message */
const badInput = (message) => Buffer.concat([Buffer.from([Status.BAD_INPUT]), text(message)]);
/** @param {FailureParts} parts */
const failed = (parts) => Buffer.concat([Buffer.from([Status.FAILED]), failure(parts)]);
/** @param {FailureParts} parts */
const broke = (parts) => Buffer.concat([Buffer.from([Status.BROKE]), failure(parts)]);
/**
 * @param {string} message
 * @param {string | undefined} location
 */
const panicked = (message, location) =>
  Buffer.concat([Buffer.from([Status.PANICKED]), text(message), option(location, text)]);
/**
 * @param {number} size bytes
 * @param {number} limit bytes
 */
const tooLarge = (size, limit) =>
  Buffer.concat([Buffer.from([Status.TOO_LARGE]), varint(size), varint(limit)]);

/** @param {bigint} number */
function eightBytes(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(number);
  return bytes;
}

/**
 * @typedef {object} Extras extras of `Done`
 * @property {string} [contentType]
 * @property {bigint} [cpuTime] nanoseconds
 * @property {bigint} [peakMemory] bytes
 * @property {number} [droppedChunks]
 *
 * @param {Buffer} status
 * @param {bigint} run nanoseconds
 * @param {Extras} [extras]
 */
function done(status, run, extras) {
  if (!extras) return Buffer.concat([status, varint(run), NONE]);
  /** @type {[number, Buffer][]} */
  const list = [];
  if (extras.contentType) list.push([DoneExtra.CONTENT_TYPE, Buffer.from(extras.contentType, 'latin1')]);
  if (extras.cpuTime !== undefined) list.push([DoneExtra.CPU_TIME, eightBytes(extras.cpuTime)]);
  if (extras.peakMemory !== undefined) list.push([DoneExtra.PEAK_MEMORY, eightBytes(extras.peakMemory)]);
  if (extras.droppedChunks) list.push([DoneExtra.DROPPED_CHUNKS, eightBytes(BigInt(extras.droppedChunks))]);
  const parts = list.flatMap(([tag, value]) => [varint(tag), varint(value.length), value]);
  return Buffer.concat([status, varint(run), varint(list.length), ...parts]);
}

/**
 * @param {number | bigint} units
 * @param {number | bigint | undefined} total
 */
const progress = (units, total) => Buffer.concat([varint(units), option(total, varint)]);

/** Reads the fields of one header message. */
class HeaderReader {
  #bytes;
  #at = 0;

  /** @param {Buffer} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  /** @param {number} length */
  take(length) {
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new WireError('a header message ends early');
    return this.#bytes.subarray(from, this.#at);
  }

  u8() {
    return this.take(1)[0];
  }

  /** @param {bigint} max */
  #bigint(max) {
    const first = this.u8();
    if (first > 253) throw new WireError(`byte ${first} begins no varint`);
    let number = BigInt(first);
    if (first === 251) number = BigInt(this.take(2).readUInt16LE());
    else if (first === 252) number = BigInt(this.take(4).readUInt32LE());
    else if (first === 253) number = this.take(8).readBigUInt64LE();
    // A longer form is accepted as long as it is no wider than the type.
    if (number > max || (first === 252 && max <= 0xffffn) || (first === 253 && max <= MAX_U32)) {
      throw new WireError('a number of a header message is wider than its type');
    }
    return number;
  }

  u64() {
    return this.#bigint(MAX_U64);
  }

  u32() {
    return this.#small(MAX_U32);
  }

  u16() {
    return this.#small(0xffff);
  }

  /** @param {number} max */
  #small(max) {
    const first = this.#bytes[this.#at];
    if (first < 251) {
      this.#at += 1;
      return first;
    }
    return Number(this.#bigint(BigInt(max)));
  }

  /**
   * @template T
   * @param {() => T} decode
   * @returns {T | undefined}
   */
  option(decode) {
    const tag = this.u8();
    if (tag > 1) throw new WireError(`byte ${tag} begins no option`);
    return tag === 1 ? decode() : undefined;
  }

  end() {
    if (this.#at !== this.#bytes.length) throw new WireError('a header message is followed by more bytes');
  }
}

/**
 * @typedef {object} JobHeader
 * @property {string} id 32 hexadecimal digits
 * @property {number} attempt
 * @property {bigint | undefined} remaining nanoseconds
 * @property {number} reply encoding
 * @property {number | undefined} credit number of chunks; undefined if nobody listens
 * @property {Map<number, Buffer>} extras
 *
 * @param {Buffer} bytes
 * @returns {JobHeader}
 * @throws {WireError}
 */
function readJob(bytes) {
  const reader = new HeaderReader(bytes);
  const id = reader.take(16).toString('hex');
  const attempt = reader.u32();
  const remaining = reader.option(() => reader.u64());
  const reply = reader.u8();
  const credit = reader.option(() => reader.u32());
  const count = reader.u64();
  if (count > Limit.EXTRAS_COUNT)
    throw new WireError(`a job has ${count} extras; the maximum is ${Limit.EXTRAS_COUNT}`);
  const extras = new Map();
  for (let i = 0; i < count; i += 1) {
    const tag = reader.u16();
    extras.set(tag, Buffer.from(reader.take(Number(reader.u64()))));
  }
  reader.end();
  return { id, attempt, remaining, reply, credit, extras };
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

module.exports = {
  ok,
  cancelled,
  badInput,
  failed,
  broke,
  panicked,
  tooLarge,
  done,
  failure,
  progress,
  varint,
  cutText,
  readJob,
  readCredit,
};
