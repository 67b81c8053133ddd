// @ts-check
'use strict';
// Numbers of version 2 of the wire. Every name is that of WIRE.md.

/** Kinds of frames. */
const Kind = Object.freeze({
  HELLO: 0x01,
  WELCOME: 0x02,
  REFUSED: 0x03,
  READY: 0x10,
  START_FAILED: 0x11,
  JOB: 0x20,
  DONE: 0x21,
  PROGRESS: 0x22,
  CHUNK: 0x23,
  MESSAGE: 0x24,
  MESSAGE_FAILED: 0x25,
  LOG: 0x27,
  CANCEL: 0x30,
  CREDIT: 0x31,
  PING: 0x32,
  PONG: 0x33,
  SHUTDOWN: 0x34,
  DESCRIBE: 0x35,
  DESCRIPTION: 0x36,
  RECALL: 0x37,
  RECALLED: 0x38,
  SHARE: 0x39,
  SHARED: 0x3a,
  RECORDING: 0x40,
});

const Flag = Object.freeze({ IGNORABLE: 1, END: 2, PAYLOAD_REF: 4, TAKEN: 8 });

/** Encodings of payloads. */
const Encoding = Object.freeze({ NONE: 0, BINCODE: 1, JSON: 2, RAW: 3 });

/** Statuses of `Done`. */
const Status = Object.freeze({
  OK: 0,
  BAD_INPUT: 1,
  FAILED: 2,
  PANICKED: 3,
  CANCELLED: 4,
  TOO_LARGE: 5,
  BROKE: 6,
});

/** Tags of the extras of `Job`. */
const JobExtra = Object.freeze({ TRACEPARENT: 1, USAGE: 2, BATCH: 4, TRACESTATE: 5 });

/** Tags of the extras of `Done`. */
const DoneExtra = Object.freeze({ CONTENT_TYPE: 1, CPU_TIME: 2, PEAK_MEMORY: 3, DROPPED_CHUNKS: 4 });

/** Exit codes of a worker. */
const Exit = Object.freeze({
  FINISHED: 0,
  FAILED: 1,
  BY_HAND: 2,
  COORDINATOR_GONE: 3,
  REFUSED: 4,
  PROTOCOL: 5,
  PANICKED: 101,
});

/** All in bytes, unless the name says otherwise. */
const Limit = Object.freeze({
  HEADER: 65536,
  CONTROL_PAYLOAD: 65536,
  DEFAULT_PAYLOAD: 64 * 1024 * 1024,
  /** Lengths have 32 bits. */
  PAYLOAD: 0xffffffff,
  CHUNK: 1024 * 1024,
  TEXT: 16384,
  EXTRAS_COUNT: 16,
  DESCRIPTORS_COUNT: 16,
  EARLY_CANCELS_COUNT: 64,
  /** Payloads of this length and longer may go through an arena. */
  SHARED_FROM: 256 * 1024,
});

/** Version of the wire that this package speaks. */
const VERSION = 2;
const FRAME_HEADER = 24;
const PREAMBLE = 16;

module.exports = {
  Kind,
  Flag,
  Encoding,
  Status,
  JobExtra,
  DoneExtra,
  Exit,
  Limit,
  VERSION,
  FRAME_HEADER,
  PREAMBLE,
};
