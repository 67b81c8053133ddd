'use strict';
// A coordinator that breaks the protocol, ends at any moment, or asks for the optional parts.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test } = require('node:test');
const { Encoding, Flag, Kind } = require('../lib/wire/constants.js');
const { frame, jsonFrame, preamble } = require('../lib/wire/frames.js');
const { TestWorker, jobHeader, startWorker } = require('./support/coordinator.js');
const { isAlive, until } = require('./support/processes.js');

/** A frame whose header bytes are changed. */
function changed(bytes, change) {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

const JOB = frame(Kind.JOB, {
  header: jobHeader(),
  payload: Buffer.from('17'),
  encoding: Encoding.JSON,
  sequence: 1n,
});

const BROKEN_ON_JOBS = {
  'an unknown kind': frame(0x7777),
  'a kind of the other connection': frame(Kind.PING),
  'a header message above the limit': changed(JOB, (bytes) => bytes.writeUInt32LE(65537, 0)),
  'a payload above the limit': changed(JOB, (bytes) => bytes.writeUInt32LE((1 << 26) + 1, 4)),
  'an unknown flag': changed(JOB, (bytes) => bytes.writeUInt16LE(16, 10)),
  'an unknown encoding': changed(JOB, (bytes) => bytes.writeUInt8(4, 12)),
  'a payload without an encoding': changed(JOB, (bytes) => bytes.writeUInt8(0, 12)),
  'seventeen descriptors': changed(JOB, (bytes) => bytes.writeUInt8(17, 13)),
  'reserved bytes': changed(JOB, (bytes) => bytes.writeUInt8(1, 15)),
  'a header message that is a byte short': frame(Kind.JOB, { header: jobHeader().subarray(1) }),
  'a header message that is a byte long': frame(Kind.JOB, {
    header: Buffer.concat([jobHeader(), Buffer.alloc(1)]),
  }),
  'a reference to no arena': frame(Kind.JOB, {
    header: jobHeader(),
    payload: Buffer.alloc(24, 0xff),
    encoding: Encoding.RAW,
    flags: Flag.PAYLOAD_REF,
  }),
  'a second Welcome': jsonFrame(Kind.WELCOME, { mode: 'jobs', max_payload: 1 }),
};

for (const [name, bytes] of Object.entries(BROKEN_ON_JOBS)) {
  test(`${name} on jobs ends the worker with 5`, async (t) => {
    const worker = await startWorker(t);
    worker.jobs.socket.write(bytes);
    assert.equal((await worker.exited).code, 5);
    assert.match(worker.stderr, /^procpool: /m);
  });
}

test('broken frames on control end the worker, with a reason', async (t) => {
  for (const bytes of [frame(0x7777), frame(Kind.JOB), frame(Kind.CREDIT, { header: Buffer.from([255]) })]) {
    const worker = await startWorker(t);
    worker.control.socket.write(bytes);
    assert.equal((await worker.exited).code, 5);
    assert.match(worker.stderr, /^procpool: /m);
  }
});

test('ignorable frames are skipped on both connections', async (t) => {
  const worker = await startWorker(t);
  const unknown = { flags: Flag.IGNORABLE | 0x8000, header: Buffer.alloc(65536), encoding: 9 };
  worker.control.socket.write(frame(0x7777, { ...unknown, payload: Buffer.alloc(65536) }));
  worker.jobs.socket.write(frame(0x7777, { ...unknown, payload: Buffer.alloc(1 << 20) }));
  worker.tell(Kind.PING, { sequence: 3n });
  assert.equal((await worker.control.next()).sequence, 3n);
  assert.equal((await worker.ask({ op: 'echo', value: 1 })).value, 1);
});

test('frames may come byte by byte', async (t) => {
  const worker = await startWorker(t);
  worker.jobs.socket.setNoDelay?.(true);
  for (const byte of worker.jobFrame({ op: 'echo', value: 'slow' })) {
    await new Promise((resolve) => worker.jobs.socket.write(Buffer.from([byte]), resolve));
  }
  assert.equal((await worker.done()).value, 'slow');
});

test('a refusal ends the worker with 4 and its detail', async (t) => {
  const worker = new TestWorker();
  t.after(() => worker.close());
  worker.jobs.socket.write(jsonFrame(Kind.REFUSED, { reason: 'contract', detail: 'another job is needed' }));
  assert.equal((await worker.exited).code, 4);
  assert.match(worker.stderr, /another job is needed/);
});

test('a coordinator of another version ends the worker with 4', async (t) => {
  const greeting = preamble();
  greeting.writeUInt16LE(3, 8);
  greeting.writeUInt16LE(4, 10);
  const worker = new TestWorker(undefined, { greeting });
  t.after(() => worker.close());
  assert.equal((await worker.exited).code, 4);
  assert.match(worker.stderr, /versions 3 to 4 of the wire, and this package version 2/);
});

test('another program at the other end is a person', async (t) => {
  for (const greeting of [Buffer.from('GET / HTTP/1.1\r\n'), Buffer.alloc(0)]) {
    const worker = new TestWorker(undefined, { greeting });
    t.after(() => worker.close());
    assert.equal((await worker.exited).code, 2);
  }
});

test('Shutdown ends an idle worker with 0, and a busy one after its job', async (t) => {
  const idle = await startWorker(t);
  idle.tell(Kind.SHUTDOWN);
  assert.equal((await idle.exited).code, 0);
  const busy = await startWorker(t);
  busy.send({ op: 'print', text: 'begun', ms: 100 });
  await until(() => busy.stdout.includes('begun')); // The two connections have no order between them.
  busy.tell(Kind.SHUTDOWN);
  assert.equal((await busy.done()).status, 'OK');
  assert.equal((await busy.exited).code, 0);
});

test('the end of file on jobs lets the running job answer', async (t) => {
  const worker = await startWorker(t);
  worker.send({ op: 'sleep', ms: 100 });
  worker.jobs.socket.end();
  assert.equal((await worker.done()).value, 'slept');
  assert.equal((await worker.exited).code, 0);
});

test('a frame that ends early runs nothing', async (t) => {
  const worker = await startWorker(t);
  worker.jobs.socket.end(worker.jobFrame({ op: 'exit', code: 9 }).subarray(0, -1));
  assert.equal((await worker.exited).code, 0);
});

test('the end of file on control kills the group if it is owned, also while the function computes', async (t) => {
  for (const owned of [true, false]) {
    const worker = await startWorker(t, {}, { owned });
    const { value: child } = await worker.ask({ op: 'child' });
    t.after(() => isAlive(child) && process.kill(child, 'SIGKILL'));
    worker.send({ op: 'spin', ms: 60_000 });
    worker.control.socket.destroy();
    assert.equal((await worker.exited).signal, 'SIGKILL');
    if (owned) await until(() => !isAlive(child));
    else assert.ok(isAlive(child));
  }
});

test('a peer that is gone while the worker writes ends it', async (t) => {
  const worker = await startWorker(t);
  worker.send({ op: 'bytes', length: 30 << 20 });
  worker.jobs.socket.destroy();
  assert.equal((await worker.exited).code, 3);
});

test('signals that stop a service leave a worker alone', async (t) => {
  const worker = await startWorker(t);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.kill(worker.process.pid, signal);
  assert.equal((await worker.ask({ op: 'sleep', ms: 20 })).value, 'slept');
});

test('lines are printed while the function runs', async (t) => {
  const worker = await startWorker(t);
  worker.send({ op: 'print', text: 'a line', ms: 60_000 });
  await until(() => worker.stdout.includes('a line\n') && worker.stderr.includes('a line\n'));
});

test('the page counts jobs and output', async (t) => {
  const worker = await startWorker(t, { page: true });
  assert.deepEqual(worker.numbers(), { begun: 0n, output: 0n, found: 0x6765706170656b21n });
  const frames = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((value) => worker.jobFrame({ op: 'echo', value }));
  worker.jobs.socket.write(Buffer.concat(frames));
  for (let i = 0; i < 10; i += 1) assert.equal((await worker.done()).value, i);
  await until(() => worker.numbers().output === BigInt(worker.jobs.total));
  assert.equal(worker.numbers().begun, 10n);
});

test('the page says which job a dead worker had begun', async (t) => {
  const worker = await startWorker(t, { page: true });
  const jobs = [
    { op: 'echo', value: 0 },
    { op: 'echo', value: 1 },
    { op: 'exit', code: 3 },
    { op: 'echo', value: 2 },
  ];
  worker.jobs.socket.write(Buffer.concat(jobs.map((job) => worker.jobFrame(job))));
  assert.deepEqual([(await worker.done()).value, (await worker.done()).value], [0, 1]);
  assert.equal((await worker.exited).code, 3);
  assert.equal(worker.numbers().begun, 3n);
  assert.match(worker.stderr, /called process\.exit\(3\)/);
});

test('jobs that were asked back are passed over', async (t) => {
  const worker = await startWorker(t, { page: true });
  const asked = Buffer.alloc(8);
  asked.writeBigUInt64LE(3n);
  worker.send({ op: 'sleep', ms: 50 });
  worker.jobs.socket.write(Buffer.concat([2, 3, 4].map((value) => worker.jobFrame({ op: 'echo', value }))));
  await until(() => worker.numbers().begun === 1n);
  fs.writeSync(worker.page, asked, 0, 8, 24);
  worker.tell(Kind.RECALL, { sequence: 3n });
  assert.equal((await worker.done()).sequence, 1n);
  for (const sequence of [2n, 3n]) {
    const recalled = await worker.jobs.next();
    assert.deepEqual([recalled.kind, recalled.sequence], [Kind.RECALLED, sequence]);
  }
  assert.equal((await worker.done()).value, 4);
});

test('a page that is another file is left alone', async (t) => {
  const worker = new TestWorker(undefined, { page: true });
  t.after(() => worker.close());
  fs.writeSync(worker.page, "somebody's file!", 32);
  await worker.start();
  assert.equal((await worker.ask({ op: 'echo', value: 1 })).value, 1);
  assert.deepEqual(worker.numbers(), { begun: 0n, output: 0n, found: 0n });
});

/** Offers or takes back an arena. */
async function share(worker, sequence, offer) {
  worker.tellJson(Kind.SHARE, offer, sequence);
  const answer = await worker.control.next();
  assert.deepEqual([answer.kind, answer.sequence], [Kind.SHARED, sequence]);
  return JSON.parse(answer.header.toString()).accepted;
}

test('inputs are read from their arena', async (t) => {
  const worker = await startWorker(t, { arenas: true });
  fs.ftruncateSync(worker.input, 1 << 20);
  assert.ok(await share(worker, 1n, { direction: 'input', length: 1 << 20, born: true }));
  const input = Buffer.alloc(400_000, 'input');
  fs.writeSync(worker.input, input, 0, input.length, 0);
  const reference = Buffer.alloc(24);
  reference.writeBigUInt64LE(1n, 0);
  reference.writeBigUInt64LE(BigInt(input.length), 16);
  const done = await worker.ask(undefined, {
    raw: reference,
    encoding: Encoding.RAW,
    flags: Flag.PAYLOAD_REF,
  });
  assert.ok(input.equals(done.payload));
  assert.ok(await share(worker, 1n, { direction: 'input' }));
});

test('outputs go into their arena, until it is taken again', async (t) => {
  const worker = await startWorker(t, { arenas: true });
  fs.ftruncateSync(worker.output, 1 << 20);
  assert.equal(await share(worker, 9n, { direction: 'output', length: 1 << 20 }), false);
  assert.ok(await share(worker, 1n, { direction: 'output', length: 1 << 20, born: true }));
  const ask = (length, flags = 0) => worker.ask({ op: 'bytes', length }, { flags });
  const first = await ask(400_000);
  assert.ok(first.flags & Flag.PAYLOAD_REF);
  assert.deepEqual(
    [0, 8, 16].map((at) => first.payload.readBigUInt64LE(at)),
    [1n, 0n, 400_000n],
  );
  assert.equal((await ask(400_000)).payload.length, 400_000);
  assert.ok((await ask(400_000, Flag.TAKEN)).flags & Flag.PAYLOAD_REF);
  assert.equal((await ask((1 << 20) + 1, Flag.TAKEN)).payload.length, (1 << 20) + 1);
  assert.ok(await share(worker, 1n, { direction: 'output' }));
  assert.equal((await ask(400_000)).payload.length, 400_000);
});

test('without arenas, an offer is declined', async (t) => {
  const worker = await startWorker(t);
  assert.equal(await share(worker, 1n, { direction: 'input', length: 1 << 20, born: true }), false);
  assert.equal((await worker.ask({ op: 'echo', value: 1 }, { flags: Flag.TAKEN })).value, 1);
});
