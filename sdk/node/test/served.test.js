'use strict';
// A worker under a real server, with everything that a function can do wrong.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { FIXTURE } = require('./support/coordinator.js');
const { kill } = require('./support/processes.js');
const { PROCPOOL, fixture, needsServer, startServer } = require('./support/server.js');
const { spawnSync } = require('node:child_process');

const conformance = { command: [process.execPath, FIXTURE] };

test('each error is the outcome of its job, and the next job runs', needsServer, async (t) => {
  const { post, workers } = await startServer(t, { jobs: { ...conformance, poison_deaths: 0 } });
  const ask = async (input, query) => {
    const { status, body } = await post('jobs', input, { query });
    return [status, body.outcome, body.code];
  };
  await post('jobs', { op: 'echo', value: 0 });
  const [{ pid }] = await workers('jobs');
  assert.deepEqual(await ask({ op: 'fail', message: 'm', code: 'c' }), [422, 'failed', 'c']);
  assert.deepEqual(await ask({ op: 'break', message: 'm' }), [500, 'broke', 'TypeError']);
  assert.equal((await workers('jobs'))[0].pid, pid);
  assert.deepEqual(await ask({ op: 'panic' }), [500, 'panicked', undefined]);
  assert.deepEqual(await ask({ op: 'exit', code: 0 }), [502, 'crashed', undefined]);
  assert.deepEqual(await ask({ op: 'spin', ms: 60_000 }, '?timeout=200ms'), [504, 'timed_out', undefined]);
  assert.deepEqual((await post('jobs', { op: 'echo', value: [1] })).body, [1]);
});

test('a cancelled job that looks costs no process', needsServer, async (t) => {
  const { post, workers } = await startServer(t, { jobs: { ...conformance, grace: '10s' } });
  await post('jobs', { op: 'echo', value: 0 });
  const [{ pid }] = await workers('jobs');
  assert.equal((await post('jobs', { op: 'sleep', ms: 60_000 }, { query: '?timeout=100ms' })).status, 504);
  assert.equal((await post('jobs', { op: 'echo', value: 1 })).body, 1);
  assert.equal((await workers('jobs'))[0].pid, pid);
});

test('payloads of all sizes pass, in both directions', needsServer, async (t) => {
  const { post } = await startServer(t, { jobs: conformance });
  for (const length of [0, 1, 65_535, 256 << 10, (1 << 20) + 1, 1 << 20, 20 << 20, 1]) {
    for (let i = 0; i < 3; i += 1) {
      const bytes = Buffer.alloc(length, String(i));
      const { status, body } = await post('jobs', bytes);
      assert.equal(status, 200);
      assert.ok(bytes.equals(body), `${length} bytes`);
    }
  }
});

test('many jobs at once have their own answers', needsServer, async (t) => {
  const { post } = await startServer(t, { jobs: { ...conformance, max_workers: 2 } });
  const client = async (first) => {
    for (let value = first; value < first + 50; value += 1) {
      assert.equal((await post('jobs', { op: 'echo', value })).body, value);
    }
  };
  await Promise.all(Array.from({ length: 64 }, (_, i) => client(i * 1000)));
});

test('workers that are killed at random lose their own jobs alone', needsServer, async (t) => {
  const keys = { ...conformance, max_workers: 3, poison_deaths: 0 };
  const { post, workers } = await startServer(t, { jobs: keys });
  let isOver = false;
  const killer = (async () => {
    for (let kills = 0; kills < 10; kills += 1) {
      const [worker] = await workers('jobs');
      if (worker) kill(worker.pid);
      await post('jobs', { op: 'echo', value: 0 });
    }
    isOver = true;
  })();
  const seen = { ok: 0, crashed: 0 };
  const client = async (offset) => {
    for (let i = 0; !isOver; i += 1) {
      const value = offset + i;
      const { status, body } = await post(
        'jobs',
        i % 5 === 0 ? { op: 'sleep', ms: 5 } : { op: 'echo', value },
      );
      if (status === 200) assert.ok(i % 5 === 0 ? body === 'slept' : body === value);
      else assert.equal(body.outcome, 'crashed');
      seen[status === 200 ? 'ok' : 'crashed'] += 1;
    }
  };
  await Promise.all([killer, ...[0, 1e6, 2e6, 3e6].map(client)]);
  assert.ok(seen.ok > seen.crashed);
});

test('a file with a syntax error, or none at all, fails the start with its reason', needsServer, (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'procpool.toml');
  for (const [script, reason] of [
    [fixture('syntax-error.js'), /SyntaxError|exit code 1/],
    ['/nonexistent.js', /nonexistent|exit code 1/],
  ]) {
    const command = JSON.stringify([process.execPath, script]);
    fs.writeFileSync(file, `[server]\nlisten = "127.0.0.1:0"\n[pools.broken]\ncommand = ${command}\n`);
    const { status, stderr } = spawnSync(PROCPOOL, ['serve', '--config', file], { encoding: 'utf8' });
    assert.notEqual(status, 0);
    assert.match(stderr, reason);
  }
});

test('the server shows the schemas', needsServer, async (t) => {
  const { base, post } = await startServer(t, {
    adder: { command: [process.execPath, fixture('described.js')] },
  });
  assert.equal((await post('adder', 2)).body, 3);
  let pool;
  do pool = await (await fetch(`${base}/v1/pools/adder`)).json();
  while (!pool.schemas);
  assert.match(JSON.stringify(pool.schemas), /"integer"/);
});
