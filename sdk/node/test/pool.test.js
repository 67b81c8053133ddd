'use strict';
// The host's side: a Pool that starts a server for itself.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { test } = require('node:test');
const procpool = require('procpool');
const { BIN, PROCPOOL, fixture, needsServer, startServer } = require('./support/server.js');
const { isAlive, until } = require('./support/processes.js');

const { Pool } = procpool;
const help = spawnSync(PROCPOOL, ['serve', '--help'], { encoding: 'utf8' }).stdout ?? '';
const needsEmbedding = {
  skip: needsServer.skip || (!help.includes('--exit-with-parent') && 'this procpool is too old'),
};
const TASKS = fixture('tasks.js');

function newDirectory(t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

/** A pool that ends with the test. */
function newPool(t, options = {}) {
  const pool = new Pool({ filename: TASKS, maxWorkers: 1, breakerFailures: 0, poisonDeaths: 0, ...options });
  t.after(() => pool.destroy());
  return pool;
}

test('values pass as between threads', needsEmbedding, async (t) => {
  const pool = newPool(t);
  const value = {
    map: new Map([[1, new Set([2n])]]),
    date: new Date(0),
    none: undefined,
    list: new Float64Array([0.5]),
  };
  assert.deepEqual(await pool.run(value), value);
  assert.equal(await pool.run(undefined), undefined);
  const large = await pool.run(3 << 20, { name: 'bytes' });
  assert.deepEqual([large.constructor, large.length, large.at(-1)], [Uint8Array, 3 << 20, 7]);
  await assert.rejects(
    pool.run(() => {}),
    { name: 'DataCloneError' },
  );
  await assert.rejects(pool.run(new SharedArrayBuffer(1)), /SharedArrayBuffer cannot be shared/);
  const buffer = new ArrayBuffer(8);
  assert.equal((await pool.run(buffer, { transferList: [buffer] })).byteLength, 8);
  assert.equal(buffer.byteLength, 0);
});

test('each outcome is a class', needsEmbedding, async (t) => {
  const pool = newPool(t);
  const rejects = (name, input, Class, members, options) =>
    assert.rejects(pool.run(input, { name, ...options }), (error) => {
      assert.ok(error instanceof Class && error instanceof procpool.JobError, `${error}`);
      const { noFunction, ...others } = members;
      if (noFunction) assert.match(error.message, /exports no function/);
      for (const [key, value] of Object.entries(others)) assert.deepEqual(error[key], value, key);
      return true;
    });
  await rejects('fail', 0, procpool.Failed, { code: 'no_words', details: { words: 0 }, outcome: 'failed' });
  await rejects('break', 0, procpool.Broke, { code: 'TypeError' });
  for (const name of ['missing', 'constructor', 'call', 'toString'])
    await rejects(name, 'return 1', procpool.Broke, { code: 'TypeError', noFunction: true });
  await rejects('unsendable', 0, procpool.Broke, { code: 'DataCloneError' });
  await rejects('panic', 0, procpool.Panicked, {});
  await rejects('exit', 7, procpool.Crashed, { mayHaveRun: true });
  await rejects('spin', 0, procpool.TimedOut, {}, { timeout: 200 });
  await rejects(undefined, 0, procpool.BadInput, { mayHaveRun: false }, { timeout: '1s&usage=true' });
  assert.equal(await pool.run('fine'), 'fine');
});

test('an abort cancels the job and costs no other', needsEmbedding, async (t) => {
  const pool = newPool(t);
  const pid = await pool.run(0, { name: 'pid' });
  const abort = new AbortController();
  const aborted = pool.run(60_000, { name: 'wait', signal: abort.signal });
  const other = pool.run('other');
  assert.equal(pool.queueSize, 1);
  abort.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  await assert.rejects(pool.run(1, { signal: abort.signal }), { name: 'AbortError' });
  assert.equal(await other, 'other');
  assert.equal(await pool.run(0, { name: 'pid' }), pid);
});

test('a killed worker costs its own job', needsEmbedding, async (t) => {
  const pool = newPool(t, { maxWorkers: 2 });
  const file = path.join(newDirectory(t), 'pid');
  const killed = assert.rejects(pool.run(file, { name: 'announce' }), procpool.Crashed);
  const other = pool.run(300, { name: 'wait' });
  const pid = await until(() => fs.existsSync(file) && Number(fs.readFileSync(file)));
  process.kill(pid, 'SIGKILL');
  await killed;
  assert.equal(await other, 'waited');
  assert.equal(await pool.run('on'), 'on');
});

test('options reach the worker', needsEmbedding, async (t) => {
  const options = {
    workerData: { a: [1] },
    argv: ['--x', 1],
    env: { GREETING: 'hello "you"\u007f' },
    timeout: 60_000,
  };
  const pool = newPool(t, { ...options, minThreads: 1, maxThreads: 3, maxQueue: 'auto', name: 'data' });
  assert.deepEqual(await pool.run(0), [{ a: [1] }, ['--x', '1'], 'hello "you"\u007f']);
  assert.equal(pool.maxThreads, 3);
  const small = newPool(t, { resourceLimits: { maxOldGenerationSizeMb: 24 }, name: 'grow' });
  await assert.rejects(small.run(0), procpool.Crashed);
});

test('what cannot work says so', needsEmbedding, async (t) => {
  assert.throws(() => new Pool({ filename: TASKS, treads: 1 }), /no option `treads`/);
  assert.throws(() => new Pool({}), /needs `filename`/);
  assert.throws(() => new Pool({ filename: TASKS, workerData: () => {} }), /`workerData` is no JSON/);
  assert.throws(() => new Pool({ filename: TASKS, workerData: 1n }), /`workerData` is no JSON/);
  const missing = newPool(t, { filename: '/nonexistent/tasks.js' });
  await assert.rejects(missing.run(0), /there is no file \/nonexistent\/tasks\.js/);
  const nameless = newPool(t, { name: 'nothing' });
  await assert.rejects(nameless.run(0), /exports no function `nothing`: its functions are .*pid/);
  const wrong = newPool(t, { memoryLimit: 'much' });
  await assert.rejects(wrong.run(0), /memory_limit/);
});

test('close lets jobs end, destroy does not', needsEmbedding, async (t) => {
  const pool = newPool(t);
  const last = pool.run(100, { name: 'wait' });
  await pool.close();
  assert.equal(await last, 'waited');
  await assert.rejects(pool.run(1), procpool.ShutDown);

  const other = newPool(t);
  const pid = await other.run(0, { name: 'pid' });
  const lost = assert.rejects(other.run(0, { name: 'spin' }), procpool.ShutDown);
  await other.destroy();
  await lost;
  await until(() => !isAlive(pid));
});

test('a server that died is started again', needsEmbedding, async (t) => {
  const pool = newPool(t);
  const file = path.join(newDirectory(t), 'pid');
  const lost = assert.rejects(pool.run(file, { name: 'announce' }), procpool.ShutDown);
  const pid = await until(() => fs.existsSync(file) && Number(fs.readFileSync(file)));
  const [, server] = /^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  process.kill(Number(server), 'SIGKILL');
  await lost;
  await until(() => pool.run('again').catch(() => undefined));
});

test('an idle pool lets its program end, and a killed program leaves nothing', needsEmbedding, async (t) => {
  const code = `const { Pool } = require('procpool'); const pool = new Pool({ filename: ${JSON.stringify(TASKS)} });
    pool.run(0, { name: 'pid' }).then((pid) => { console.log(pid); if (process.argv[1]) pool.run(0, { name: 'spin' }); });`;
  for (const args of [[], ['busy']]) {
    const host = spawn(process.execPath, ['-e', code, ...args], {
      cwd: __dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => host.kill('SIGKILL'));
    const ended = once(host, 'exit');
    const [pid] = await once(createInterface(host.stdout), 'line');
    if (args.length > 0) host.kill('SIGKILL');
    else assert.deepEqual(await ended, [0, null]);
    await until(() => !isAlive(Number(pid)));
  }
});

test('any worker, with JSON and bytes', needsEmbedding, async (t) => {
  const command = [process.execPath, fixture('../conformance-fixture.js')];
  const pool = newPool(t, { filename: undefined, command });
  assert.deepEqual(await pool.run({ op: 'echo', value: [1] }), [1]);
  assert.deepEqual(await pool.run(Buffer.from('bytes')), Buffer.from('bytes'));
  await assert.rejects(pool.run(1n), /the input is no JSON: .*BigInt.*send JSON or bytes/);
  const cycle = [];
  cycle.push(cycle);
  await assert.rejects(pool.run(cycle), /the input is no JSON/);
  await assert.rejects(pool.run(1, { name: 'x' }), TypeError);
});

test('a pool of a server that runs already', needsServer, async (t) => {
  const { base } = await startServer(t, {
    echo: { command: [process.execPath, BIN, '--export', 'default', TASKS] },
  });
  const pool = Pool.at(base, 'echo');
  assert.deepEqual(await Promise.all([1, 'two', null].map((value) => pool.run(value))), [1, 'two', null]);
  assert.equal((await pool.workers()).length, 1);
  assert.equal(typeof (await pool.stats()), 'object');
  await assert.rejects(Pool.at(base, 'other').run(1), {
    name: 'Refused',
    code: 'unknown_pool',
    mayHaveRun: false,
  });
  await pool.close();
  assert.throws(() => Pool.at('https://example.org', 'x'), /plain HTTP/);
});
