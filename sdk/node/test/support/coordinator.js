'use strict';
// A coordinator for tests of the wire: spawns one worker and says to it what the test wants.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Kind, Flag, Encoding, Status } = require('../../lib/wire/constants.js');
const { frame, jsonFrame, preamble } = require('../../lib/wire/frames.js');
const { varint } = require('../../lib/wire/headers.js');

const FIXTURE = path.join(__dirname, '..', 'conformance-fixture.js');
const PAGE_LENGTH = 69632;

/** Frames of one connection, to be awaited. */
class Frames {
  #data = Buffer.alloc(0);
  #waiting = [];
  #isEnded = false;
  /** Bytes that were read, without those of frames before `Ready`. */
  total = 0;

  constructor(socket, { hasPreamble }) {
    this.socket = socket;
    this.needed = hasPreamble ? 16 : 0;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      this.#data = Buffer.concat([this.#data, data]);
      this.#deliver();
    });
    socket.on('close', () => {
      this.#isEnded = true;
      this.#deliver();
    });
  }

  #deliver() {
    while (this.#waiting.length > 0) {
      const found = this.#cut();
      if (found === undefined && !this.#isEnded) return;
      this.#waiting.shift()(found);
    }
  }

  #cut() {
    const from = this.needed;
    if (this.#data.length < from + 24) return undefined;
    const header = this.#data.readUInt32LE(from);
    const payload = this.#data.readUInt32LE(from + 4);
    const end = from + 24 + header + payload;
    if (this.#data.length < end) return undefined;
    const bytes = this.#data.subarray(from, end);
    this.preamble ??= Buffer.from(this.#data.subarray(0, from));
    this.#data = this.#data.subarray(end);
    this.needed = 0;
    this.total += bytes.length;
    return {
      kind: bytes.readUInt16LE(8),
      flags: bytes.readUInt16LE(10),
      encoding: bytes[12],
      sequence: bytes.readBigUInt64LE(16),
      header: bytes.subarray(24, 24 + header),
      payload: bytes.subarray(24 + header),
    };
  }

  /** The next frame; undefined at the end of file. */
  next() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#deliver();
    });
  }
}

/** Fields of a Job's header. */
function jobHeader({ attempt = 1, remaining, reply = Encoding.JSON, credit, extras = [] } = {}) {
  const option = (value) =>
    value === undefined ? Buffer.from([0]) : Buffer.concat([Buffer.from([1]), varint(value)]);
  const list = extras.flatMap(([tag, value]) => [varint(tag), varint(value.length), value]);
  const id = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
  return Buffer.concat([
    id,
    varint(attempt),
    option(remaining),
    Buffer.from([reply]),
    option(credit),
    varint(extras.length),
    ...list,
  ]);
}

class TestWorker {
  #sequence = 0n;

  constructor(
    command = [process.execPath, FIXTURE],
    { page = false, arenas = false, env = {}, greeting = preamble() } = {},
  ) {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
    const file = (name) => fs.openSync(path.join(this.directory, name), 'w+');
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'];
    if (page || arenas) {
      this.page = file('page');
      stdio.push(this.page);
    }
    if (arenas) {
      this.input = file('input');
      this.output = file('output');
      stdio.push(this.input, this.output);
    }
    if (page) {
      fs.ftruncateSync(this.page, PAGE_LENGTH);
      fs.writeSync(this.page, 'procpool page 2\n', 32);
    }
    this.offers = { page, arenas };
    this.process = spawn(command[0], command.slice(1), {
      stdio,
      detached: true,
      env: { ...process.env, ...env },
    });
    this.exited = once(this.process, 'close').then(([code, signal]) => ({ code, signal }));
    this.stdout = '';
    this.stderr = '';
    this.process.stdout.on('data', (data) => {
      this.stdout += data;
    });
    this.process.stderr.on('data', (data) => {
      this.stderr += data;
    });
    this.jobs = new Frames(this.process.stdio[3], { hasPreamble: true });
    this.control = new Frames(this.process.stdio[4], { hasPreamble: false });
    this.jobs.socket.write(greeting);
  }

  /** Sends `Welcome`, and waits for `Ready`. */
  async start({ data, dataEncoding = Encoding.JSON, tail, ...fields } = {}) {
    const { page, arenas } = this.offers;
    const message = {
      mode: 'jobs',
      owned: true,
      worker: 'test-0',
      pool: 'test',
      max_payload: 1 << 26,
      page,
      arenas,
      ...fields,
    };
    const payload = data === undefined ? undefined : Buffer.from(data);
    const welcome = jsonFrame(Kind.WELCOME, message, { payload, encoding: payload ? dataEncoding : 0 });
    this.jobs.socket.write(tail ? Buffer.concat([welcome, tail]) : welcome);
    const hello = await this.jobs.next();
    this.hello = JSON.parse(hello.header.toString());
    const ready = await this.jobs.next();
    if (ready?.kind !== Kind.READY) return ready;
    this.jobs.total = 0;
    return this;
  }

  /** Returns the frame of a job. */
  jobFrame(
    value,
    { raw, encoding = raw ? Encoding.RAW : Encoding.JSON, flags = 0, sequence, ...header } = {},
  ) {
    this.#sequence = sequence ?? this.#sequence + 1n;
    const payload = raw ?? Buffer.from(JSON.stringify(value));
    return frame(Kind.JOB, { header: jobHeader(header), payload, encoding, flags, sequence: this.#sequence });
  }

  send(value, options) {
    this.jobs.socket.write(this.jobFrame(value, options));
    return this.#sequence;
  }

  /** Sends a job and returns its `Done`. */
  async ask(value, options) {
    this.send(value, options);
    return this.done();
  }

  async done() {
    const answer = await this.jobs.next();
    if (answer?.kind !== Kind.DONE || !(answer.flags & Flag.END))
      throw new Error(`no Done: ${JSON.stringify(answer?.kind)}`);
    const status = Object.keys(Status)[answer.header[0]];
    const text = answer.payload.toString();
    return {
      ...answer,
      status,
      value: answer.encoding === Encoding.JSON ? JSON.parse(text) : answer.payload,
    };
  }

  tell(kind, parts) {
    this.control.socket.write(frame(kind, parts));
  }

  tellJson(kind, message, sequence) {
    this.control.socket.write(jsonFrame(kind, message, { sequence }));
  }

  /** Numbers of the page. */
  numbers() {
    const bytes = Buffer.alloc(24);
    fs.readSync(this.page, bytes, 0, 24, 0);
    return {
      begun: bytes.readBigUInt64LE(0),
      output: bytes.readBigUInt64LE(8),
      found: bytes.readBigUInt64LE(16),
    };
  }

  close() {
    for (const pid of [-this.process.pid, this.process.pid]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    for (const fd of [this.page, this.input, this.output]) if (fd !== undefined) fs.closeSync(fd);
    this.page = this.input = this.output = undefined;
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Starts a worker that ends with the test. */
async function startWorker(t, options = {}, welcome = {}) {
  const { command, ...rest } = options;
  const worker = new TestWorker(command, rest);
  t.after(() => worker.close());
  return worker.start(welcome);
}

module.exports = { TestWorker, startWorker, jobHeader, FIXTURE };
