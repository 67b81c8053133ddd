'use strict';
// Saved jobs run again, as docs/debugging.md describes it: alone, with the jobs before them, or several in one process.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { Encoding, Flag, Kind } = require('../lib/wire/constants.js');
const { frame, jsonFrame, preamble } = require('../lib/wire/frames.js');
const { FIXTURE, jobHeader } = require('./support/coordinator.js');
const { BIN, PROCPOOL, fixture, needsServer, startServer } = require('./support/server.js');

const COUNTING = fixture('counting.js');
const replay = (worker, ...args) =>
  spawnSync(process.execPath, [...[worker].flat(), '--replay', ...args], { encoding: 'utf8' });

function newDirectory(t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

/** Writes a saved job with these inputs, of which the last is the job's, and returns the file's path. */
function save(t, inputs, recording = {}) {
  const file = path.join(newDirectory(t), 'saved.job');
  const message = { format: 2, pool: 'p', job: 'counting', contract: 1, executable: '/x', ...recording };
  const jobs = inputs.map((input, i) =>
    frame(Kind.JOB, {
      header: jobHeader({ credit: 16, remaining: 1000n }),
      payload: Buffer.from(JSON.stringify(input)),
      encoding: Encoding.JSON,
      sequence: BigInt(i + 7),
    }),
  );
  const parts = [
    preamble(),
    jsonFrame(Kind.RECORDING, message, { flags: Flag.IGNORABLE }),
    jsonFrame(Kind.WELCOME, { mode: 'jobs', owned: false, worker: 'w', max_payload: 1 << 20 }),
    ...jobs,
  ];
  fs.writeFileSync(file, Buffer.concat(parts));
  return file;
}

test('a saved job runs again', (t) => {
  const run = (command, recording) =>
    replay(FIXTURE, save(t, [command], { format: 1, job: 'conformance', ...recording }));
  const fine = run({ op: 'echo', value: 42 });
  assert.deepEqual([fine.status, fine.stdout], [0, '42']);
  const failed = run({ op: 'fail', message: 'nope' });
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /the job ended as failed: .*nope/);
  assert.equal(run({ op: 'panic' }).status, 101);
  assert.equal(run({ op: 'exit', code: 9 }).status, 9);
  const other = run(1, { job: 'other' });
  assert.equal(other.status, 2);
  assert.match(other.stderr, /job `other`.*this worker of `conformance`/);
  assert.match(run(1, { format: 3 }).stderr, /its format is 3/);
  assert.equal(replay(FIXTURE, '/nonexistent').status, 2);
});

test('a job runs again after the jobs that its worker was given before', (t) => {
  const file = save(t, [3, 4, 5], { jobs_before: 9 });
  const alone = replay(COUNTING, file);
  assert.deepEqual([alone.status, alone.stdout], [0, '5']);
  assert.match(
    alone.stderr,
    /had run 9 before it, and this process 0; .*`--history` runs the last of them first/,
  );
  for (const args of [
    ['--history', file],
    [file, '--history'],
  ]) {
    const { status, stdout, stderr } = replay(COUNTING, ...args);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /job 1 of 2 .* before\n.*job 2 of 2 .*\n.*the job that went wrong\n.*the sum is 12/);
    assert.match(stderr, /a larger `save_history` keeps more of them/);
  }
  assert.match(replay(COUNTING, save(t, [5], { format: 1, jobs_before: 1 })).stderr, /the next file holds/);
});

test('several files run in one process, whose state the last one sees', (t) => {
  const [first, second] = [save(t, [4]), save(t, [6])];
  assert.equal(replay(COUNTING, first, second).stdout, '410');
  const third = replay(COUNTING, first, second, save(t, [1]));
  assert.deepEqual([third.status, third.stdout], [1, '410']);
  const panicked = replay(COUNTING, save(t, ['panic']), first);
  assert.deepEqual([panicked.status, panicked.stdout], [101, '']);
});

test('a stream has a reader in a replay, too', (t) => {
  const { status, stdout } = replay(COUNTING, save(t, ['stream']));
  assert.deepEqual([status, stdout], [0, `${'0123456789'.repeat(10)}"streamed"`]);
});

test('a script for worker_threads runs again with its history', (t) => {
  const script = [BIN, fixture('script.js')];
  const file = save(t, [{ op: 'count' }, { op: 'count' }], { job: 'script' });
  assert.equal(JSON.parse(replay(script, file).stdout).count, 1);
  assert.equal(JSON.parse(replay(script, file, '--history').stdout).count, 2);
});

test('the server saves what runs again', needsServer, async (t) => {
  const directory = newDirectory(t);
  fs.chmodSync(directory, 0o700);
  const keys = { command: [process.execPath, COUNTING], save_failed_jobs: directory, save_history: 5 };
  const { post } = await startServer(t, { counting: keys });
  assert.equal((await post('counting', 7)).status, 200);
  assert.equal((await post('counting', 8)).status, 422);
  const panicked = await post('counting', 'panic');
  assert.equal(panicked.status, 500);
  const file = panicked.body.replay;
  const run = (...args) => spawnSync(PROCPOOL, ['replay', file, '--trust', ...args], { encoding: 'utf8' });
  assert.equal(run().status, 101);
  const { status, stderr } = run('--history');
  assert.equal(status, 101, stderr);
  assert.match(stderr, /running job 2 of 2 .*the sum is 15.*running the job that went wrong/s);
});
