'use strict';
// Scripts that were written for worker_threads, as workers of a real server.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { test } = require('node:test');
const { Kind } = require('../lib/wire/constants.js');
const { frame } = require('../lib/wire/frames.js');
const { startWorker } = require('./support/coordinator.js');
const { BIN, fixture, needsServer, program, startServer } = require('./support/server.js');

const command = (...args) => [process.execPath, BIN, ...args];

/** SHA-256 of the programs of Node's worker-threads tutorial. They run as they are. */
const PROGRAMS = {
  'computeWorker.js': '71687f8befcd4bdf92d72889622a4e1861f651e1ce718fda2a8263e781dcf40e',
  'fib-main.js': '04bc3c4f801d3e6ff1121bc5d800b2d2a046b9aa72a2d0c365f21dbc74a5e351',
  'fibWorker.js': '5b977c787923521aa043c812ac647c7627e270eb367a0fcd097a71c3bff0544d',
  'ping-main.js': 'f9575c9b78f437c9809b76dca160c9e23c3111cba48e4ab081bc0936c1c7e579',
  'pingWorker.js': 'ad2cc31f501c356d732933faec9ccdb2756dd4a4858c392d871ef58d14a9956d',
  'server.js': '7f1aa9ab40efb42f33780d9b9168cdcead679e321fd6722e5dc21afa3e5d7be2',
};

test('the programs are unmodified', () => {
  for (const [name, hash] of Object.entries(PROGRAMS)) {
    assert.equal(
      createHash('sha256')
        .update(fs.readFileSync(program(name)))
        .digest('hex'),
      hash,
      name,
    );
  }
});

for (const main of [[], ['--main']]) {
  test(`the programs are workers ${main}`, needsServer, async (t) => {
    const { post, base } = await startServer(t, {
      ping: { command: command(...main, program('pingWorker.js')) },
      fib: { command: command(...main, program('fibWorker.js')) },
      compute: { command: command(...main, program('computeWorker.js')) },
    });
    for (let i = 0; i < 3; i += 1) {
      assert.equal((await post('ping', 'ping')).body, 'pong');
      assert.equal((await post('fib', 30)).body, 832040);
      assert.equal((await post('fib', i)).body, i < 2 ? i : 1);
    }
    assert.equal((await post('compute', 1000)).body, 21065.833110879048);
    assert.equal(await (await fetch(`${base}/compute?n=50000000`)).text(), 'Result: 235702256859.7696');
  });
}

test(
  'jobs that follow each other at once find a listening script, or a fresh one',
  needsServer,
  async (t) => {
    const { post } = await startServer(t, {
      fib: { command: command(program('fibWorker.js')) },
      module: { command: command(fixture('one-shot.mjs')) },
      'module-main': { command: command('--main', fixture('one-shot.mjs')) },
      script: { command: command(fixture('script.js'), '--an-argument') },
    });
    const all = (pool, inputs) => Promise.all(inputs.map(async (input) => (await post(pool, input)).body));
    assert.deepEqual(await all('fib', [10, 11, 12, 13]), [55, 89, 144, 233]);
    assert.deepEqual(await all('module', [1, 2, 3]), [2, 4, 6]);
    assert.deepEqual(await all('module-main', [1, 2, 3]), [2, 4, 6]);
    const counts = await all('script', [{ op: 'count' }, { op: 'count' }]);
    counts.sort((a, b) => a.count - b.count); // Which of both was first is the server's affair.
    assert.deepEqual(counts[1], { ...counts[0], count: 2 });
    const { isMainThread, workerData, argv } = counts[0];
    assert.deepEqual(
      { isMainThread, workerData, argv },
      { isMainThread: false, workerData: { op: 'count' }, argv: ['--an-argument'] },
    );
  },
);

test('a deadline costs the thread and not the process', needsServer, async (t) => {
  const { post, workers } = await startServer(t, {
    script: { command: command(fixture('script.js')), grace: '5s' },
  });
  await post('script', 1);
  const [{ pid }] = await workers('script');
  const { status, body } = await post('script', { op: 'spin' }, { query: '?timeout=100ms' });
  assert.deepEqual([status, body.outcome], [504, 'timed_out']);
  assert.equal((await post('script', { op: 'count' })).body.count, 1);
  assert.equal((await workers('script'))[0].pid, pid);
});

test('what a script does wrong is the outcome of its job alone', needsServer, async (t) => {
  const { post, workers } = await startServer(t, {
    script: { command: command(fixture('script.js')) },
    silent: { command: command(fixture('silent.js')) },
  });
  await post('script', 1);
  const [{ pid }] = await workers('script');
  const expected = [
    [{ op: 'throw' }, 'RangeError', 'thrown in a thread'],
    [{ op: 'reject' }, 'Error', 'rejected in a thread'],
    [{ op: 'exit', code: 7 }, 'exit', 'the script ended with exit code 7'],
    [{ op: 'bigint' }, 'TypeError', /BigInt/],
    [{ op: 'function' }, 'DataCloneError', /could not be cloned/],
    [{ op: 'close' }, 'no_message', /ended without a message/],
  ];
  for (const [input, code, message] of expected) {
    const { status, body } = await post('script', input);
    assert.deepEqual([status, body.outcome, body.code], [500, 'broke', code]);
    assert.match(body.message, message instanceof RegExp ? message : new RegExp(message));
  }
  assert.deepEqual((await post('script', { op: 'bytes' })).body, Buffer.from([1, 2, 3]));
  assert.equal((await workers('script'))[0].pid, pid);
  assert.equal((await post('silent', 1)).body.code, 'no_message');
});

test('a script that has removed its listeners is loaded afresh', needsServer, async (t) => {
  const { post } = await startServer(t, {
    script: { command: command(fixture('script.js')), timeout: '20s' },
  });
  assert.equal((await post('script', { op: 'deaf' })).body, 'deaf');
  assert.equal((await post('script', 'next')).body, 'next');
});

/** Starts a worker that cannot start, and returns what it reports. */
async function failingStart(t, ...args) {
  const { kind, header } = await startWorker(t, { command: command(...args) });
  assert.equal(kind, Kind.START_FAILED);
  return header.toString();
}

test('a script that is missing or does not parse fails the start', async (t) => {
  assert.match(await failingStart(t, './missing.js'), /there is no file .*missing\.js.*working directory/);
  for (const name of ['syntax-error.js', 'syntax-error.mjs']) {
    assert.match(
      await failingStart(t, fixture(name)),
      new RegExp(`does not parse.*${name}.*Unexpected token`, 's'),
    );
  }
});

test('a function that is not there fails the start', async (t) => {
  const text = await failingStart(t, '--export', 'triple', fixture('functions.js'));
  assert.match(text, /exports no function `triple`: its functions are .*double/);
  assert.match(
    await failingStart(t, '--export', 'version', fixture('functions.js')),
    /no function `version`/,
  );
  assert.match(await failingStart(t, '--export', 'x', fixture('missing.js')), /there is no file/);
});

test('exported functions are jobs', async (t) => {
  const upper = await startWorker(t, { command: command('--export', 'default', fixture('functions.js')) });
  assert.equal((await upper.ask('text')).value, 'TEXT');
  assert.equal((await upper.ask(17)).status, 'BROKE');
  const double = await startWorker(t, {
    command: command('--export', 'double', '--name', 'twice', fixture('functions.js')),
  });
  assert.equal(double.hello.job, 'twice');
  assert.equal((await double.ask(4)).value, 8);
});

test('free messages pass through', async (t) => {
  const worker = await startWorker(
    t,
    { command: command(fixture('script.js')) },
    { mode: 'messages', data: '"data"' },
  );
  const say = (message) => {
    const payload = Buffer.from(JSON.stringify(message));
    worker.jobs.socket.write(frame(Kind.MESSAGE, { payload, encoding: 2 }));
  };
  say({ op: 'count' });
  const answer = await worker.jobs.next();
  assert.equal(answer.kind, Kind.MESSAGE);
  assert.equal(JSON.parse(answer.payload.toString()).workerData, 'data');
  say({ op: 'bigint' });
  assert.equal((await worker.jobs.next()).kind, Kind.MESSAGE_FAILED);
  say({ op: 'exit', code: 4 });
  assert.equal((await worker.exited).code, 4);
});

test('a command line that makes no sense explains itself', () => {
  for (const args of [[], ['--bogus', 'x.js'], ['--worker-data', '{', 'x.js'], ['--contract', 'x', 'x.js']]) {
    const { status, stderr } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' });
    assert.equal(status, 2);
    assert.match(stderr, /usage: procpool-node/);
  }
  const { status, stdout } = spawnSync(process.execPath, [BIN, fixture('script.js'), '--describe'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout).modes, ['jobs', 'messages']);
});
