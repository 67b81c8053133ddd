'use strict';
// The wire of a worker, with a coordinator that means well.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { Encoding, Flag, JobExtra, Kind } = require('../lib/wire/constants.js');
const { preamble } = require('../lib/wire/frames.js');
const { FIXTURE, TestWorker, startWorker } = require('./support/coordinator.js');
const { isAlive, until } = require('./support/processes.js');

const ASYNC_FIXTURE = path.join(__dirname, 'fixtures', 'unguarded.js');

test('a program that a person starts explains itself and exits with 2', () => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [FIXTURE], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /procpool worker `conformance`.*procpool serve/s);
  assert.equal(stdout, '');
});

test('a socket at descriptor 3 that is no coordinator is a person, too', async (t) => {
  const worker = new TestWorker();
  t.after(() => worker.close());
  worker.jobs.socket.destroy();
  assert.equal((await worker.exited).code, 2);
});

test('--describe prints one JSON object', () => {
  const { status, stdout } = spawnSync(process.execPath, [FIXTURE, '--describe'], { encoding: 'utf8' });
  assert.equal(status, 0);
  const { job, contract, modes, sdk } = JSON.parse(stdout);
  assert.deepEqual({ job, contract, modes }, { job: 'conformance', contract: 1, modes: ['jobs'] });
  assert.match(sdk, /^procpool-node \d/);
});

test('Hello says what the worker can do', async (t) => {
  const worker = await startWorker(t);
  assert.deepEqual(worker.jobs.preamble, preamble());
  const { job, page, arenas, batches, encodings } = worker.hello;
  assert.deepEqual(
    { job, page, arenas, batches },
    { job: 'conformance', page: true, arenas: 'born', batches: true },
  );
  assert.deepEqual(encodings, ['json', 'raw']);
});

test('values come back as they were', async (t) => {
  const worker = await startWorker(t);
  for (const value of [
    null,
    true,
    1.5,
    'ü€😀\u0000',
    [1, [2]],
    { a: { b: null } },
    'x'.repeat(70_000),
    'y'.repeat(3 << 20),
  ]) {
    const done = await worker.ask({ op: 'echo', value });
    assert.equal(done.status, 'OK');
    assert.deepEqual(done.value, value);
  }
});

test('bytes come back as bytes', async (t) => {
  const worker = await startWorker(t);
  for (const length of [0, 1, 5000, 100_000, 3 << 20]) {
    const bytes = Buffer.alloc(length, 'abcdefg');
    const done = await worker.ask(undefined, { raw: bytes });
    assert.equal(done.status, 'OK');
    assert.equal(done.encoding, Encoding.RAW);
    assert.ok(bytes.equals(done.payload));
  }
});

test('job numbers have 64 bits', async (t) => {
  const worker = await startWorker(t);
  for (const sequence of [1n << 31n, 1n << 32n, (1n << 53n) + 1n, (1n << 64n) - 2n]) {
    worker.tell(Kind.CANCEL, { sequence: sequence + 1n });
    const done = await worker.ask({ op: 'echo', value: 1 }, { sequence });
    assert.equal(done.status, 'OK');
    assert.equal(done.sequence, sequence);
  }
  worker.tell(Kind.PING, { sequence: 7n });
  assert.equal((await worker.control.next()).kind, Kind.PONG);
  assert.equal(
    (await worker.ask({ op: 'echo', value: 1 }, { sequence: (1n << 64n) - 1n })).status,
    'CANCELLED',
  );
});

test('inputs that are no JSON are BadInput', async (t) => {
  const worker = await startWorker(t);
  for (const text of ['', '{', '1 2', 'NaN', '\ufeff1', Buffer.from([0x22, 0xff, 0x22])]) {
    assert.equal(
      (await worker.ask(undefined, { raw: Buffer.from(text), encoding: Encoding.JSON })).status,
      'BAD_INPUT',
    );
  }
  assert.equal(
    (await worker.ask(undefined, { raw: Buffer.alloc(0), encoding: Encoding.NONE })).status,
    'BAD_INPUT',
  );
  assert.equal(
    (await worker.ask(undefined, { raw: Buffer.from([5]), encoding: Encoding.BINCODE })).status,
    'BAD_INPUT',
  );
  const deep = Buffer.from('['.repeat(100_000) + ']'.repeat(100_000));
  await worker.ask(undefined, { raw: deep, encoding: Encoding.JSON });
  assert.equal((await worker.ask({ op: 'echo', value: 1 })).value, 1);
});

test('an output above max_payload is TooLarge, one at it is not', async (t) => {
  const worker = await startWorker(t, {}, { max_payload: 1000 });
  assert.equal((await worker.ask({ op: 'bytes', length: 1000 })).status, 'OK');
  assert.equal((await worker.ask({ op: 'bytes', length: 1001 })).status, 'TOO_LARGE');
});

test('a job right behind Welcome is answered after Ready', async (t) => {
  const worker = new TestWorker();
  t.after(() => worker.close());
  await worker.start({ tail: worker.jobFrame({ op: 'echo', value: 8 }) });
  assert.equal((await worker.done()).value, 8);
});

test('pings and descriptions are answered while the function computes', async (t) => {
  const worker = await startWorker(t);
  worker.send({ op: 'spin', ms: 60_000 });
  worker.tell(Kind.PING, { sequence: (1n << 63n) + 5n });
  worker.tell(Kind.DESCRIBE);
  const pong = await worker.control.next();
  assert.deepEqual([pong.kind, pong.sequence], [Kind.PONG, (1n << 63n) + 5n]);
  const description = await worker.control.next();
  assert.equal(JSON.parse(description.header.toString()).job, 'conformance');
});

test('a cancel reaches the job that runs, also before it came, and no other', async (t) => {
  const worker = await startWorker(t);
  const sequence = worker.send({ op: 'sleep', ms: 60_000 });
  worker.tell(Kind.CANCEL, { sequence });
  assert.equal((await worker.done()).status, 'CANCELLED');
  worker.tell(Kind.CANCEL, { sequence });
  worker.tell(Kind.PING);
  await worker.control.next();
  assert.equal((await worker.ask({ op: 'echo', value: 1 })).status, 'OK');
});

test('several jobs that wait can be cancelled', async (t) => {
  const worker = await startWorker(t, { page: true });
  worker.tell(Kind.CANCEL, { sequence: 2n });
  worker.tell(Kind.CANCEL, { sequence: 4n });
  worker.tell(Kind.PING);
  await worker.control.next();
  const frames = [1, 2, 3, 4, 5].map((value) => worker.jobFrame({ op: 'echo', value }));
  worker.jobs.socket.write(Buffer.concat(frames));
  const statuses = [];
  for (let i = 0; i < 5; i += 1) statuses.push((await worker.done()).status);
  assert.deepEqual(statuses, ['OK', 'CANCELLED', 'OK', 'CANCELLED', 'OK']);
});

test('chunks need credit, come before Done, and are dropped without a reader', async (t) => {
  const worker = await startWorker(t);
  const sequence = worker.send({ op: 'chunks', count: 5 }, { credit: 2 });
  const read = async () => JSON.parse((await worker.jobs.next()).payload.toString());
  assert.deepEqual([await read(), await read()], [0, 1]);
  worker.tell(Kind.CREDIT, { header: Buffer.from([250]), sequence: sequence + 9n });
  worker.tell(Kind.CREDIT, { header: Buffer.from([3]), sequence });
  assert.deepEqual([await read(), await read(), await read()], [2, 3, 4]);
  assert.equal((await worker.done()).value, 'streamed');
  const dropped = await worker.ask({ op: 'chunks', count: 5 });
  assert.deepEqual(dropped.header.subarray(-10), Buffer.from('04080500000000000000', 'hex'));
});

test('a job that waits for credit can be cancelled', async (t) => {
  const worker = await startWorker(t);
  const sequence = worker.send({ op: 'chunks', count: 5 }, { credit: 0 });
  worker.tell(Kind.CANCEL, { sequence });
  assert.equal((await worker.done()).status, 'CANCELLED');
});

test('progress and log lines belong to their job', async (t) => {
  const worker = await startWorker(t);
  const sequence = worker.send({ op: 'progress', count: 300 });
  for (let i = 1; i <= 300; i += 1) {
    const { kind, sequence: of } = await worker.jobs.next();
    assert.deepEqual([kind, of], [Kind.PROGRESS, sequence]);
  }
  await worker.done();
  worker.send({ op: 'log', level: 'warn', text: '\u0000'.repeat(30_000) });
  const line = await worker.jobs.next();
  assert.deepEqual([line.kind, line.flags, line.sequence], [Kind.LOG, Flag.IGNORABLE, sequence + 1n]);
  assert.equal(JSON.parse(line.header.toString()).level, 'warn');
  assert.equal((await worker.done()).value, null);
});

test('errors have their statuses, and the worker goes on', async (t) => {
  const worker = await startWorker(t);
  const failed = await worker.ask({ op: 'fail', message: 'nope', code: 'no', details: { a: [1] } });
  assert.equal(failed.status, 'FAILED');
  assert.ok(failed.header.includes('\x02no\x04nope\x01\x09{"a":[1]}\x01'));
  const long = await worker.ask({ op: 'fail', message: '€'.repeat(10_000), details: 'x'.repeat(20_000) });
  assert.equal(long.status, 'FAILED');
  assert.equal((await worker.ask({ op: 'break', message: 'a bug' })).status, 'BROKE');
  assert.equal((await worker.ask({ op: 'echo', value: 1 })).value, 1);
});

test('an error that nobody caught is Panicked, and the worker exits with 101', async (t) => {
  const worker = await startWorker(t);
  assert.equal((await worker.ask({ op: 'panic' })).status, 'PANICKED');
  assert.equal((await worker.exited).code, 101);
  assert.match(worker.stderr, /boom/);
});

test('processor time and memory are told to those who ask', async (t) => {
  const worker = await startWorker(t);
  const done = await worker.ask({ op: 'spin', ms: 20 }, { extras: [[JobExtra.USAGE, Buffer.alloc(0)]] });
  const extras = done.header.subarray(-21);
  assert.deepEqual([extras[0], extras[1], extras[2], extras[11], extras[12]], [2, 2, 8, 3, 8]);
  assert.ok(extras.readBigUInt64LE(3) > 0n && extras.readBigUInt64LE(13) > 1_000_000n);
});

test('a batch is answered as one', async (t) => {
  const worker = await startWorker(t);
  const inputs = [{ op: 'echo', value: 13 }, { op: 'fail', message: 'nope' }, 17, { op: 'sleep', ms: 1 }];
  const parts = inputs.flatMap((input) => {
    const json = Buffer.from(JSON.stringify(input));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(json.length);
    return [length, json];
  });
  const batch = { raw: Buffer.concat(parts), extras: [[JobExtra.BATCH, Buffer.from([Encoding.JSON])]] };
  const done = await worker.ask(undefined, batch);
  assert.deepEqual([done.status, done.encoding], ['OK', Encoding.RAW]);
  const answers = [];
  for (let at = 0; at < done.payload.length; ) {
    const [status, output] = [done.payload.readUInt32LE(at + 1), done.payload.readUInt32LE(at + 5)];
    const from = at + 9 + status;
    answers.push([done.payload[at + 9], done.payload.toString('utf8', from, from + output)]);
    at = from + output;
  }
  assert.deepEqual(answers, [
    [0, '13'],
    [2, ''],
    [2, ''],
    [0, '"slept"'],
  ]);
  const cutOff = { ...batch, raw: Buffer.from([9, 0, 0, 0, 1]) };
  assert.equal((await worker.ask(undefined, cutOff)).status, 'BAD_INPUT');
});

test('worker data, and a failing start', async (t) => {
  const command = [process.execPath, path.join(__dirname, 'fixtures', 'stateful.js')];
  const worker = await startWorker(t, { command }, { data: '{"add":5}' });
  assert.deepEqual((await worker.ask(2)).value, { sum: 7, workerData: { add: 5 } });
  const failing = new TestWorker(command);
  t.after(() => failing.close());
  const answer = await failing.start();
  assert.equal(answer.kind, Kind.START_FAILED);
  assert.match(answer.header.toString(), /needs worker data/);
  assert.equal((await failing.exited).code, 1);
});

test('a worker without a guard serves, cancels and streams', async (t) => {
  const worker = await startWorker(t, { command: [process.execPath, ASYNC_FIXTURE] });
  assert.equal((await worker.ask('hello')).value, 5);
  const sequence = worker.send('wait');
  worker.tell(Kind.CANCEL, { sequence });
  assert.equal((await worker.done()).status, 'CANCELLED');
  worker.control.socket.destroy();
  assert.equal((await worker.exited).signal, 'SIGKILL');
});

test('programs that a job starts inherit no connection', async (t) => {
  const worker = await startWorker(t, { page: true, arenas: true });
  const { value: pid } = await worker.ask({ op: 'child' });
  await until(
    () =>
      fs.readlinkSync(`/proc/${pid}/exe`).endsWith('sleep') ||
      /coreutils/.test(fs.readlinkSync(`/proc/${pid}/exe`)),
  );
  const inherited = fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => fd > 2 && fd < 8);
  assert.deepEqual(inherited, []);
  worker.control.socket.destroy();
  await until(() => !isAlive(pid) && !isAlive(worker.process.pid));
});
