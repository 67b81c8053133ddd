// @ts-check
'use strict';
// Cuts what a connection brings into frames, and refuses those that break the protocol.

const { Encoding, Flag, FRAME_HEADER, Kind, Limit, PREAMBLE, VERSION } = require('./constants.js');
const { EMPTY, MAGIC, StrangerError, VersionError, WireError, viewOf } = require('./frames.js');

/** @typedef {import('./frames.js').Frame} Frame */

/** Payloads that did not come whole get memory of their own from this length on. */
const LARGE_PAYLOAD = 65536;

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
  /** @type {{ frame: Frame, isKnown: boolean, filled: number } | null} a frame that comes in pieces */
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
      const { frame, isKnown, filled } = this.#large;
      at = data.copy(frame.payload, filled);
      this.#large.filled += at;
      if (this.#large.filled < frame.payload.length) return;
      this.#large = null;
      if (isKnown) this.onFrame(frame);
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
    const view = viewOf(data);
    while (data.length - at >= FRAME_HEADER) {
      const payloadLength = view.getUint32(at + 4, true);
      const middle = at + FRAME_HEADER + view.getUint32(at, true);
      const end = middle + payloadLength;
      const isKnown = this.#judge(view, at);
      if (data.length < end) {
        if (payloadLength < LARGE_PAYLOAD || data.length < middle) break;
        const payload = Buffer.allocUnsafeSlow(payloadLength);
        const frame = frameOf(view, at, data.subarray(at + FRAME_HEADER, middle), payload);
        this.#large = { frame, isKnown, filled: data.copy(payload, 0, middle) };
        return EMPTY;
      }
      if (isKnown) {
        const header = data.subarray(at + FRAME_HEADER, middle);
        this.onFrame(frameOf(view, at, header, data.subarray(middle, end)));
      }
      at = end;
    }
    return data.subarray(at);
  }

  /**
   * Judges a frame's header before anything is allocated for it. Returns whether the frame is of a known kind.
   *
   * @param {DataView} view
   * @param {number} at
   */
  #judge(view, at) {
    const headerLength = view.getUint32(at, true);
    const payloadLength = view.getUint32(at + 4, true);
    const kind = view.getUint16(at + 8, true);
    const flags = view.getUint16(at + 10, true);
    if (headerLength > Limit.HEADER || payloadLength > this.maxPayload) {
      this.#refuse(kind, `exceeds the limits: ${headerLength} and ${payloadLength} bytes`);
    }
    if (!this.#kinds.has(kind)) {
      if ((flags & Flag.IGNORABLE) === 0) this.#refuse(kind, 'is not known');
      return false;
    }
    if (flags > 15) this.#refuse(kind, `has unknown flags: ${flags}`);
    if ((flags & Flag.PAYLOAD_REF) !== 0 && (kind !== Kind.JOB || payloadLength !== 24)) {
      this.#refuse(kind, 'has a payload by reference');
    }
    const encoding = view.getUint8(at + 12);
    if (encoding > 3 || (payloadLength > 0 && encoding === Encoding.NONE)) {
      this.#refuse(kind, `has encoding ${encoding} with ${payloadLength} bytes`);
    }
    const descriptors = view.getUint8(at + 13); // Node cannot receive them, and their payloads are not for this package.
    if (descriptors > Limit.DESCRIPTORS_COUNT || (descriptors > 0 && !WITH_DESCRIPTORS.has(kind))) {
      this.#refuse(kind, `has ${descriptors} descriptors`);
    }
    if (view.getUint16(at + 14, true) !== 0) this.#refuse(kind, 'has reserved bytes that are not 0');
    return true;
  }

  /**
   * @param {number} kind
   * @param {string} why
   * @returns {never}
   */
  #refuse(kind, why) {
    throw new WireError(`a frame of kind 0x${kind.toString(16)} on the ${this.role} connection ${why}`);
  }
}

/**
 * @param {DataView} view
 * @param {number} at
 * @param {Buffer} header
 * @param {Buffer} payload
 * @returns {Frame}
 */
function frameOf(view, at, header, payload) {
  return {
    kind: view.getUint16(at + 8, true),
    flags: view.getUint16(at + 10, true),
    encoding: view.getUint8(at + 12),
    sequence: view.getBigUint64(at + 16, true),
    header,
    payload,
  };
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

module.exports = { FrameReader };
