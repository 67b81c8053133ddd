// @ts-check
'use strict';
// Writes preambles and frames, and cuts what a connection brings into frames.

const { Encoding, Flag, FRAME_HEADER, Kind, Limit, PREAMBLE, VERSION } = require('./constants.js');

/** @type {Buffer} */
const EMPTY = Buffer.alloc(0);
const MAGIC = 'PROCPOOL';
/** Payloads that did not come whole get memory of their own from this length on. */
const LARGE_PAYLOAD = 65536;

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
  bytes.writeUInt32LE(header.length, 0);
  bytes.writeUInt32LE(payloadLength, 4);
  bytes.writeUInt16LE(kind, 8);
  bytes.writeUInt16LE(flags, 10);
  bytes.writeUInt32LE(encoding, 12); // Number of descriptors and the reserved bytes are 0.
  bytes.writeBigUInt64LE(sequence, 16);
  bytes.set(header, FRAME_HEADER);
  return bytes;
}

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

/** Kinds that a reader of each role accepts. */
/** @type {Record<'jobs' | 'control' | 'coordinator', Set<number>>} */
const ACCEPTED = {
  jobs: new Set([Kind.WELCOME, Kind.REFUSED, Kind.JOB, Kind.MESSAGE, Kind.RECORDING]),
  control: new Set([
    Kind.CANCEL,
    Kind.CREDIT,
    Kind.PING,
    Kind.SHUTDOWN,
    Kind.DESCRIBE,
    Kind.RECALL,
    Kind.SHARE,
  ]),
  /** The coordinator's side of the jobs connection, in the mode `messages`. */
  coordinator: new Set([
    Kind.HELLO,
    Kind.READY,
    Kind.START_FAILED,
    Kind.MESSAGE,
    Kind.MESSAGE_FAILED,
    Kind.LOG,
  ]),
};

/** Kinds that may bring descriptors. @type {Set<number>} */
const WITH_DESCRIPTORS = new Set([Kind.WELCOME, Kind.JOB, Kind.MESSAGE, Kind.SHARE]);

/** Cuts a stream into frames. */
class FrameReader {
  /** Bytes that were not enough for a frame. */
  #rest = EMPTY;
  /** Maximum length of a payload, in bytes. @type {number} */
  maxPayload;
  /** @type {{ head: Head, header: Buffer, payload: Buffer, filled: number } | null} a frame that comes in pieces */
  #large = null;
  #needsPreamble;
  #kinds;

  /**
   * @param {keyof typeof ACCEPTED} role
   * @param {(frame: Frame) => void} onFrame
   */
  constructor(role, onFrame) {
    this.role = role;
    this.onFrame = onFrame;
    this.maxPayload = role === 'control' ? Limit.CONTROL_PAYLOAD : Limit.PAYLOAD;
    this.#needsPreamble = role !== 'control';
    this.#kinds = ACCEPTED[role];
  }

  /** Whether the other side has not sent its preamble. */
  get needsPreamble() {
    return this.#needsPreamble;
  }

  /**
   * @param {Buffer} data
   * @throws {WireError | VersionError | StrangerError}
   */
  push(data) {
    let at = 0;
    if (this.#large) {
      const { head, header, payload, filled } = this.#large;
      at = data.copy(payload, filled);
      this.#large.filled += at;
      if (this.#large.filled < payload.length) return;
      this.#large = null;
      this.#emit(head, header, payload);
    } else if (this.#rest.length > 0) {
      data = Buffer.concat([this.#rest, data]);
      this.#rest = EMPTY;
    }
    if (this.#needsPreamble) {
      if (data.length < PREAMBLE) {
        this.#rest = data;
        return;
      }
      checkPreamble(data);
      this.#needsPreamble = false;
      at = PREAMBLE;
    }
    this.#rest = this.#cut(data, at);
  }

  /**
   * Returns what is left.
   *
   * @param {Buffer} data
   * @param {number} at
   */
  #cut(data, at) {
    while (data.length - at >= FRAME_HEADER) {
      const head = this.#judge(data, at);
      const middle = at + FRAME_HEADER + head.headerLength;
      const end = middle + head.payloadLength;
      const header = data.subarray(at + FRAME_HEADER, middle);
      if (data.length < end) {
        if (head.payloadLength < LARGE_PAYLOAD || data.length < middle) break;
        const payload = Buffer.allocUnsafeSlow(head.payloadLength);
        this.#large = { head, header, payload, filled: data.copy(payload, 0, middle) };
        return EMPTY;
      }
      at = end;
      this.#emit(head, header, data.subarray(middle, end));
    }
    return data.subarray(at);
  }

  /**
   * Judges a frame's header before anything is allocated for it.
   *
   * @typedef {{ headerLength: number, payloadLength: number, kind: number, flags: number,
   *   encoding: number, isKnown: boolean, sequence: bigint }} Head
   * @param {Buffer} data
   * @param {number} at
   * @returns {Head}
   */
  #judge(data, at) {
    const headerLength = data.readUInt32LE(at);
    const payloadLength = data.readUInt32LE(at + 4);
    const kind = data.readUInt16LE(at + 8);
    const flags = data.readUInt16LE(at + 10);
    const encoding = data[at + 12];
    const name = `a frame of kind 0x${kind.toString(16)} on the ${this.role} connection`;
    if (headerLength > Limit.HEADER || payloadLength > this.maxPayload) {
      throw new WireError(`${name} exceeds the limits: ${headerLength} and ${payloadLength} bytes`);
    }
    const isKnown = this.#kinds.has(kind);
    if (isKnown) {
      const isReference = (flags & Flag.PAYLOAD_REF) !== 0;
      if (flags > 15) throw new WireError(`${name} has unknown flags: ${flags}`);
      if (isReference && (kind !== Kind.JOB || payloadLength !== 24)) {
        throw new WireError(`${name} has a payload by reference`);
      }
      if (encoding > 3 || (payloadLength > 0 && encoding === Encoding.NONE)) {
        throw new WireError(`${name} has encoding ${encoding} with ${payloadLength} bytes`);
      }
      const descriptors = data[at + 13]; // Node cannot receive them, and their payloads are not for this package.
      if (descriptors > Limit.DESCRIPTORS_COUNT || (descriptors > 0 && !WITH_DESCRIPTORS.has(kind))) {
        throw new WireError(`${name} has ${descriptors} descriptors`);
      }
      if (data.readUInt16LE(at + 14) !== 0) throw new WireError(`${name} has reserved bytes that are not 0`);
    } else if ((flags & Flag.IGNORABLE) === 0) {
      throw new WireError(`${name} is not known`);
    }
    const sequence = data.readBigUInt64LE(at + 16);
    return { headerLength, payloadLength, kind, flags, encoding, isKnown, sequence };
  }

  /**
   * @param {Head} head
   * @param {Buffer} header
   * @param {Buffer} payload
   */
  #emit({ isKnown, kind, flags, encoding, sequence }, header, payload) {
    if (isKnown) this.onFrame({ kind, flags, encoding, sequence, header, payload });
  }
}

/** @param {Buffer} data */
function checkPreamble(data) {
  if (data.toString('latin1', 0, 8) !== MAGIC)
    throw new StrangerError('the other side is no procpool coordinator');
  const lowest = data.readUInt16LE(8);
  const highest = data.readUInt16LE(10);
  if (lowest > VERSION || highest < VERSION) {
    throw new VersionError(
      `the coordinator speaks versions ${lowest} to ${highest} of the wire, and this package version ${VERSION}: ` +
        'use releases of procpool that have one in common',
    );
  }
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
  WireError,
  VersionError,
  StrangerError,
  FrameReader,
  preamble,
  frame,
  frameHead,
  jsonFrame,
  parseJsonHeader,
};
