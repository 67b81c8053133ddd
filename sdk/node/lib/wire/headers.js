// @ts-check
'use strict';
// Writes header messages that are not JSON: varints, texts, `Done`, `Failure`, `Progress`.

const { DoneExtra, Limit, Status } = require('./constants.js');

const MAX_U32 = 0xffffffff;
const NONE = Buffer.from([0]);
const SOME = Buffer.from([1]);

/**
 * Returns the length of a varint in its shortest form, in bytes.
 *
 * @param {number | bigint} number a non-negative integer of at most 64 bits
 */
function varintLength(number) {
  if (number < 251) return 1;
  if (number <= 0xffff) return 3;
  return number <= MAX_U32 ? 5 : 9;
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 * @param {number | bigint} number
 */
function putVarint(bytes, at, number) {
  const length = varintLength(number);
  if (length === 1) {
    bytes[at] = Number(number);
    return;
  }
  bytes[at] = 0xfb + (length >> 2);
  if (length === 3) bytes.writeUInt16LE(Number(number), at + 1);
  else if (length === 5) bytes.writeUInt32LE(Number(number), at + 1);
  else bytes.writeBigUInt64LE(BigInt(number), at + 1);
}

/**
 * @param {number | bigint} number a non-negative integer of at most 64 bits
 * @returns {Buffer} in its shortest form
 */
function varint(number) {
  const bytes = Buffer.allocUnsafe(varintLength(number));
  putVarint(bytes, 0, number);
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
 * @param {number | bigint} run nanoseconds
 * @param {Extras} [extras]
 */
function done(status, run, extras) {
  if (!extras) return doneWithoutExtras(status, run);
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
 * The same for most jobs, in one allocation.
 *
 * @param {Buffer} status
 * @param {number | bigint} run nanoseconds
 */
function doneWithoutExtras(status, run) {
  const bytes = Buffer.allocUnsafe(status.length + varintLength(run) + 1);
  bytes.set(status, 0);
  putVarint(bytes, status.length, run);
  bytes[bytes.length - 1] = 0;
  return bytes;
}

/**
 * @param {number | bigint} units
 * @param {number | bigint | undefined} total
 */
const progress = (units, total) => Buffer.concat([varint(units), option(total, varint)]);

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
};
