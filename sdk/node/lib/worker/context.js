// @ts-check
'use strict';
// The context of a running job: the second argument of the function.

const { Kind, JobExtra, Flag, Limit } = require('../wire/constants.js');
const { frame, jsonFrame } = require('../wire/frames.js');
const headers = require('../wire/headers.js');
const { Cancelled } = require('../errors.js');
const { encode } = require('./outcome.js');

const LEVELS = new Set(['error', 'warn', 'info', 'debug', 'trace']);
/** A content type without parameters: two tokens of HTTP. */
const CONTENT_TYPE = /^[!#$%&'*+\-.^_`|~\w]+\/[!#$%&'*+\-.^_`|~\w]+$/;
const MAX_CONTENT_TYPE = 255;
/** Maximum number of chunks that wait for credit because nobody awaited them. */
const MAX_WAITING_CHUNKS = 16;

/**
 * The parts of a worker that a context needs.
 *
 * @typedef {object} Outlet
 * @property {import('./shared-state.js').SharedState} state
 * @property {(head: Buffer, payload?: Buffer) => void} send
 * @property {unknown} workerData
 */

class Context {
  #outlet;
  #job;
  #sequence;
  #deadline;
  /** @type {AbortController | undefined} */
  #abort;
  /** @type {string | undefined} */
  #contentType;
  #isOver = false;
  #droppedChunks = 0;
  /** The last chunk that waits, or has waited. @type {Promise<void> | undefined} */
  #chunks;
  #waitingChunks = 0;
  /** Ends the wait for credit. @type {(() => void) | undefined} */
  #wake;

  /**
   * @param {Outlet} outlet
   * @param {import('../wire/header-reader.js').JobHeader} job
   * @param {bigint} sequence
   * @param {number} begin by the clock, in milliseconds
   */
  constructor(outlet, job, sequence, begin) {
    this.#outlet = outlet;
    this.#job = job;
    this.#sequence = sequence;
    this.#deadline = job.remaining === undefined ? Infinity : begin + job.remaining / 1e6;
  }

  get id() {
    return this.#job.id;
  }

  get attempt() {
    return this.#job.attempt;
  }

  get traceparent() {
    return this.#job.extras.get(JobExtra.TRACEPARENT)?.toString();
  }

  get tracestate() {
    return this.#job.extras.get(JobExtra.TRACESTATE)?.toString();
  }

  get remaining() {
    return this.#deadline - performance.now();
  }

  get workerData() {
    return this.#outlet.workerData;
  }

  get streaming() {
    return this.#job.credit !== undefined;
  }

  get cancelled() {
    return this.#outlet.state.isCancelled(this.#sequence);
  }

  check() {
    if (this.cancelled) throw new Cancelled();
  }

  get signal() {
    this.#abort ??= new AbortController();
    if (this.cancelled) this.#abort.abort(new Cancelled());
    return this.#abort.signal;
  }

  get contentType() {
    return this.#contentType;
  }

  set contentType(type) {
    if (type !== undefined && (!CONTENT_TYPE.test(type) || type.length > MAX_CONTENT_TYPE)) {
      throw new TypeError(`${JSON.stringify(type)} is no content type: give type/subtype without parameters`);
    }
    this.#contentType = type;
  }

  /**
   * @param {number | bigint} done
   * @param {number | bigint} [total]
   */
  progress(done, total) {
    checkUnits(done, 'done');
    if (total !== undefined) checkUnits(total, 'total');
    if (this.#isOver) return;
    this.#outlet.send(
      frame(Kind.PROGRESS, { header: headers.progress(done, total), sequence: this.#sequence }),
    );
  }

  /**
   * @param {string} level
   * @param {unknown} message
   * @param {string} [target]
   */
  log(level, message, target) {
    if (!LEVELS.has(level))
      throw new TypeError(`${JSON.stringify(level)} is no level: use ${[...LEVELS].join(', ')}`);
    const line = {
      level,
      message: cut(String(message)),
      target: target === undefined ? undefined : cut(target),
    };
    // A message of control characters grows in JSON.
    if (Buffer.byteLength(JSON.stringify(line)) > Limit.HEADER)
      line.message = line.message.slice(0, Limit.TEXT / 8);
    const sequence = this.#isOver ? 0n : this.#sequence;
    this.#outlet.send(jsonFrame(Kind.LOG, line, { sequence, flags: Flag.IGNORABLE }));
  }

  /**
   * @param {unknown} value
   * @returns {Promise<void>}
   */
  async chunk(value) {
    if (this.#isOver) throw new Error('the job has ended: emit chunks before the function returns');
    this.check();
    const { encoding, output } = encode(value);
    if (output.length > Limit.CHUNK) {
      throw new RangeError(
        `a chunk of ${output.length} bytes; the maximum is ${Limit.CHUNK}: emit smaller ones`,
      );
    }
    if (!this.streaming) {
      this.#droppedChunks += 1;
      return;
    }
    if (this.#waitingChunks === 0 && this.#outlet.state.takeCredit()) {
      this.#send(encoding, output);
      return;
    }
    if (this.#waitingChunks >= MAX_WAITING_CHUNKS) {
      throw new Error(`${MAX_WAITING_CHUNKS} chunks wait for their reader: await ctx.chunk()`);
    }
    const payload = Buffer.from(output); // The caller may fill its buffer again.
    this.#waitingChunks += 1;
    const before = this.#chunks ?? Promise.resolve();
    const sent = before.then(() => this.#sendWithCredit(encoding, payload));
    this.#chunks = sent.catch(() => {});
    try {
      await sent;
    } finally {
      this.#waitingChunks -= 1;
    }
  }

  /**
   * @param {number} encoding
   * @param {Buffer} payload
   */
  async #sendWithCredit(encoding, payload) {
    while (!this.#outlet.state.takeCredit()) {
      this.check();
      await new Promise((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      if (this.#isOver) return;
    }
    this.check();
    this.#send(encoding, payload);
  }

  /**
   * @param {number} encoding
   * @param {Buffer} payload
   */
  #send(encoding, payload) {
    this.#outlet.send(frame(Kind.CHUNK, { payload, encoding, sequence: this.#sequence }));
  }

  /** Resolves when no chunk waits any longer. */
  chunksSent() {
    return this.#chunks;
  }

  get hasWaitingChunks() {
    return this.#waitingChunks > 0;
  }

  get droppedChunks() {
    return this.#droppedChunks;
  }

  /** The job was cancelled. */
  abort() {
    this.#abort?.abort(new Cancelled());
    this.#wake?.();
  }

  /** Credit came. */
  credited() {
    this.#wake?.();
  }

  /** Nothing may be said about the job any longer. */
  over() {
    this.#isOver = true;
    this.#wake?.();
  }
}

/** @param {string} string */
const cut = (string) => headers.cutText(string).toString();

/**
 * @param {number | bigint} units
 * @param {string} name
 */
function checkUnits(units, name) {
  const isCount =
    typeof units === 'bigint' ? units >= 0n && units < 1n << 64n : Number.isSafeInteger(units) && units >= 0;
  if (!isCount) throw new RangeError(`${name} is ${units}: a whole number of units is needed, 0 or more`);
}

module.exports = { Context };
