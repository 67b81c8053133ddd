'use strict';
// What a program that was written for Piscina finds in a Pool: names, events, and what is refused with a reason.

const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { SHARE_ENV } = require('node:worker_threads');
const { BadInput, Pool: Piscina, Refused } = require('procpool');
const { fixture, needsServer } = require('./support/server.js');
const { version } = require('../package.json');

const TASKS = fixture('tasks.js');
const OTHER = fixture('functions.js');

function newPool(t, options = {}) {
  const pool = new Piscina({ filename: TASKS, maxThreads: 1, ...options });
  t.after(() => pool.destroy());
  return pool;
}

test('a job may name another file and function', needsServer, async (t) => {
  const pool = newPool(t);
  assert.equal(await pool.run('text', { filename: OTHER }), 'TEXT');
  assert.equal(await pool.run(2, { filename: pathToFileURL(OTHER), name: 'double' }), 4);
  assert.equal(await pool.run(3, { filename: pathToFileURL(OTHER).href, name: 'double' }), 6);
  const nothing = { filename: null, name: null, signal: null, transferList: null, timeout: null };
  assert.equal(await pool.run('same', nothing), 'same');
  assert.equal(await pool.run('same', null), 'same');
  await assert.rejects(pool.run(1, { filename: '/nonexistent.js' }), /there is no file \/nonexistent\.js/);
  await assert.rejects(
    pool.run(1, { filename: OTHER, name: 'half' }),
    /functions\.js exports no function `half`/,
  );
  await assert.rejects(pool.run(1, { filename: fixture('syntax-error.js') }), /Unexpected token/);
  assert.equal(await pool.run('on'), 'on');
});

test('where others can send jobs, a job cannot name a file', needsServer, async (t) => {
  const pool = newPool(t, { listen: '127.0.0.1:0' });
  assert.equal(await pool.run('own'), 'own');
  await assert.rejects(pool.run('x', { filename: OTHER }), (error) => {
    assert.ok(error instanceof BadInput, `${error}`);
    return /a Pool without `listen`/.test(error.message);
  });
});

test('an emitter of `abort` is a signal', needsServer, async (t) => {
  const pool = newPool(t);
  const emitter = new EventEmitter();
  const aborted = assert.rejects(pool.run(60_000, { name: 'wait', signal: emitter }), { name: 'AbortError' });
  emitter.emit('abort');
  await aborted;
  assert.equal(await pool.run('on'), 'on');
});

test('a full queue is an event, and so is its end', needsServer, async (t) => {
  const pool = newPool(t, { maxQueue: 1 });
  await pool.run('ready');
  const events = [];
  pool.on('needsDrain', () => events.push('needsDrain'));
  const first = pool.run(100, { name: 'wait' });
  assert.deepEqual([pool.needsDrain, pool.queueSize, events], [false, 0, []]);
  const second = pool.run('second');
  assert.deepEqual([pool.needsDrain, pool.queueSize, events], [true, 1, ['needsDrain']]);
  pool.once('drain', () => events.push('drain'));
  const drained = once(pool, 'drain');
  assert.deepEqual(await Promise.all([first, second]), ['waited', 'second']);
  await drained;
  assert.deepEqual(events, ['needsDrain', 'drain']);
  assert.deepEqual([pool.needsDrain, pool.pending], [false, 0]);
});

test('more jobs than the queue takes are refused', needsServer, async (t) => {
  const pool = newPool(t, { maxQueue: 1 });
  await pool.run('ready');
  const jobs = Array.from({ length: 5 }, () => pool.run(50, { name: 'wait' }).catch((error) => error));
  const ends = await Promise.all(jobs);
  assert.ok(ends.some((end) => end === 'waited'));
  const refused = ends.find((end) => end instanceof Refused);
  assert.deepEqual([refused.code, refused.mayHaveRun], ['queue_full', false]);
});

test('names and numbers of a pool', needsServer, async (t) => {
  const moot = {
    useAtomics: false,
    recordTiming: false,
    trackUnmanagedFds: true,
    concurrentTasksPerWorker: 1,
  };
  const pool = newPool(t, {
    ...moot,
    minThreads: 1,
    maxThreads: 2,
    maxQueue: Infinity,
    idleTimeout: Infinity,
  });
  assert.equal(Piscina.version, version);
  assert.deepEqual([pool.minThreads, pool.maxThreads, pool.needsDrain], [1, 2, false]);
  assert.deepEqual(pool.options, { filename: TASKS, minWorkers: 1, maxWorkers: 2, idleTimeout: Infinity });
  assert.deepEqual(await Promise.all([1, 2, 3].map((value) => pool.run(value))), [1, 2, 3]);
  assert.equal(pool.completed, 3);
  assert.ok(pool.duration > 0);
  await assert.rejects(pool.close({ force: true }), /destroy\(\)/);
  assert.equal(await pool.run('on'), 'on');
  await pool.close();
});

test('options that cannot hold say what does', () => {
  for (const [option, reason] of [
    [{ concurrentTasksPerWorker: 2 }, /one job at a time; raise `maxThreads`/],
    [{ taskQueue: {} }, /first in, first out/],
    [{ closeTimeout: 1 }, /waits for the jobs/],
    [{ env: SHARE_ENV }, /cannot leave this process/],
    [{ filename: null }, /needs `filename`/],
  ]) {
    assert.throws(() => new Piscina({ filename: TASKS, ...option }), reason);
  }
});
