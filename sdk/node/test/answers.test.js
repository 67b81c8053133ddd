'use strict';
// Answers that wait to be sent together, and what becomes of them.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test } = require('node:test');
const { Kind } = require('../lib/wire/constants.js');
const { startWorker } = require('./support/coordinator.js');
const { until } = require('./support/processes.js');
const { fixture } = require('./support/server.js');

const RING_AT = 4096;
const SPIN = { op: 'spin', ms: 60_000 };

/** Sends jobs in one piece, and waits until the one with this number has begun. */
async function begun(worker, jobs, number) {
  worker.jobs.socket.write(Buffer.concat(jobs.map((job) => worker.jobFrame(job))));
  await until(() => worker.numbers().begun === number);
}

test('an answer waits in the page while the next job runs', async (t) => {
  const worker = await startWorker(t, { page: true });
  await begun(worker, [{ op: 'echo', value: 'kept' }, SPIN], 2n);
  worker.process.kill('SIGKILL');
  await worker.exited;
  const length = Number(worker.numbers().output);
  const ring = Buffer.alloc(length);
  fs.readSync(worker.page, ring, 0, length, RING_AT);
  assert.equal(worker.jobs.total, 0);
  assert.deepEqual([ring.readUInt16LE(8), ring.readBigUInt64LE(16)], [Kind.DONE, 1n]);
  assert.equal(ring.toString('utf8', length - 6), '"kept"');
});

test('Recall has waiting answers sent while the function computes', async (t) => {
  const worker = await startWorker(t, { page: true });
  await begun(worker, [{ op: 'echo', value: 1 }, { op: 'echo', value: 2 }, SPIN], 3n);
  worker.tell(Kind.RECALL, { sequence: 3n });
  assert.deepEqual([(await worker.done()).value, (await worker.done()).value], [1, 2]);
});

test('the answer of an asynchronous function waits, too, and Recall has it sent', async (t) => {
  const worker = await startWorker(t, { page: true, command: [process.execPath, fixture('eager.js')] });
  await begun(worker, [0, 60_000], 2n);
  worker.tell(Kind.PING);
  await worker.control.next();
  assert.equal(worker.jobs.total, 0);
  worker.tell(Kind.RECALL, { sequence: 2n });
  assert.equal((await worker.done()).value, 0);
});

test('answers wait for no job that waits itself', async (t) => {
  const worker = await startWorker(t, { page: true });
  await begun(
    worker,
    [
      { op: 'echo', value: 1 },
      { op: 'sleep', ms: 60_000 },
    ],
    2n,
  );
  assert.equal((await worker.done()).value, 1);
});

test('answers precede what later jobs say', async (t) => {
  const worker = await startWorker(t, { page: true });
  await begun(worker, [{ op: 'echo', value: 1 }, { op: 'progress', count: 1 }, SPIN], 3n);
  assert.equal((await worker.done()).value, 1);
  assert.equal((await worker.jobs.next()).kind, Kind.PROGRESS);
});

test('answers of all lengths come in their order', async (t) => {
  const worker = await startWorker(t, { page: true });
  const values = Array.from({ length: 2000 }, (_, i) => `${i}:${'y'.repeat((i * 37) % 5000)}`);
  values[700] = 'z'.repeat(300_000);
  const jobs = values.map((value) => worker.jobFrame({ op: 'echo', value }));
  worker.jobs.socket.write(Buffer.concat(jobs));
  for (const value of values) assert.equal((await worker.done()).value, value);
  await until(() => worker.numbers().output === BigInt(worker.jobs.total));
});
