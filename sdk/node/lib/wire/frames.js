// @ts-check
'use strict';
// Writes preambles and frames, and reads what is in them as JSON.

const { Encoding, FRAME_HEADER, PREAMBLE, VERSION } = require('./constants.js');

/** @type {Buffer} */
const EMPTY = Buffer.alloc(0);
const MAGIC = 'PROCPOOL';

/** The other side broke the protocol. */
class WireError extends Error {}

/** The other side does not speak the wire at all: a person started this program. */
class StrangerError extends Error {}

/** The other side speaks no version of the wire that this side speaks. */
class VersionError extends Error {}

/**
 * @typedef {object} Frame
 * @property {number} kind
 * @property {number} flags
 * @property {number} encoding encoding of the payload
 * @property {bigint} sequence
 * @property {Buffer} header header message
 * @property {Buffer} payload
 */

/** @returns {Buffer} the preamble of a side that speaks version 2 alone */
function preamble() {
  const bytes = Buffer.alloc(PREAMBLE);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt16LE(VERSION, 8);
  bytes.writeUInt16LE(VERSION, 10);
  return bytes;
}

/**
 * Writes a frame's header. The number of descriptors and the reserved bytes are 0.
 *
 * @param {DataView} view
 * @param {number} at
 * @param {number} kind
 * @param {number} flags
 * @param {number} encoding
 * @param {bigint} sequence
 * @param {number} headerLength bytes
 * @param {number} payloadLength bytes
 */
function putFrameHeader(view, at, kind, flags, encoding, sequence, headerLength, payloadLength) {
  view.setUint32(at, headerLength, true);
  view.setUint32(at + 4, payloadLength, true);
  view.setUint16(at + 8, kind, true);
  view.setUint16(at + 10, flags, true);
  view.setUint32(at + 12, encoding, true);
  view.setBigUint64(at + 16, sequence, true);
}

/**
 * Returns a frame without its payload, which the caller sends behind it.
 *
 * @param {number} kind
 * @param {object} [parts]
 * @param {Uint8Array} [parts.header]
 * @param {number} [parts.payloadLength] bytes
 * @param {number} [parts.flags]
 * @param {number} [parts.encoding]
 * @param {bigint} [parts.sequence]
 * @param {number} [room] bytes that are reserved behind the header message
 */
function frameHead(kind, parts = {}, room = 0) {
  const { header = EMPTY, payloadLength = 0, flags = 0, encoding = Encoding.NONE, sequence = 0n } = parts;
  const bytes = Buffer.allocUnsafe(FRAME_HEADER + header.length + room);
  putFrameHeader(viewOf(bytes), 0, kind, flags, encoding, sequence, header.length, payloadLength);
  bytes.set(header, FRAME_HEADER);
  return bytes;
}

/** @param {Uint8Array} bytes */
const viewOf = ({ buffer, byteOffset, byteLength }) => new DataView(buffer, byteOffset, byteLength);

/**
 * @param {number} kind
 * @param {object} [parts]
 * @param {Uint8Array} [parts.header]
 * @param {Uint8Array} [parts.payload]
 * @param {number} [parts.flags]
 * @param {number} [parts.encoding]
 * @param {bigint} [parts.sequence]
 */
function frame(kind, parts = {}) {
  const payload = parts.payload ?? EMPTY;
  const bytes = frameHead(kind, { ...parts, payloadLength: payload.length }, payload.length);
  bytes.set(payload, bytes.length - payload.length);
  return bytes;
}

/**
 * @param {number} kind
 * @param {object} message
 * @param {{ sequence?: bigint, flags?: number, payload?: Uint8Array, encoding?: number }} [parts]
 */
function jsonFrame(kind, message, parts = {}) {
  return frame(kind, { ...parts, header: Buffer.from(JSON.stringify(message)) });
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a JSON header message.
 *
 * @param {Buffer} header
 * @returns {Record<string, any>}
 * @throws {WireError}
 */
function parseJsonHeader(header) {
  let message;
  try {
    message = JSON.parse(utf8.decode(header));
  } catch (error) {
    throw new WireError(`a header message is no JSON: ${/** @type {Error} */ (error).message}`);
  }
  if (message === null || typeof message !== 'object' || Array.isArray(message)) {
    throw new WireError('a header message is no JSON object');
  }
  return message;
}

module.exports = {
  EMPTY,
  MAGIC,
  WireError,
  VersionError,
  StrangerError,
  preamble,
  frame,
  frameHead,
  putFrameHeader,
  viewOf,
  jsonFrame,
  parseJsonHeader,
};
