'use strict';
// Workers that cannot start, and errors outside of a function: each has an end and a text of its own.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { Exit, Kind } = require('../lib/wire/constants.js');
const { TestWorker, startWorker } = require('./support/coordinator.js');
const { BIN, PROCPOOL, fixture, needsServer } = require('./support/server.js');

const REGISTER = path.join(__dirname, '..', 'lib', 'register', 'index.js');
const startOf = (how) => [process.execPath, fixture('bad-starts.js'), how];
const script = (...args) => [process.execPath, BIN, ...args];

test('an error before `serve` ends the process with its text', async (t) => {
  for (const [how, text] of [
    ['throws', /RangeError: at load/],
    ['module', /Cannot find module 'no-such-module'/],
    ['definition', /TypeError: serve\(\) takes a function/],
  ]) {
    const worker = new TestWorker(startOf(how));
    t.after(() => worker.close());
    assert.equal(await worker.jobs.next(), undefined, how);
    assert.equal((await worker.exited).code, 1, how);
    assert.match(worker.stderr, text);
  }
});

test('an error in `init` is told as such', async (t) => {
  for (const [how, text] of [
    ['init', /RangeError.*in init/],
    ['timer', /TypeError.*Cannot read properties of null/],
  ]) {
    const { kind, header } = await startWorker(t, { command: startOf(how) });
    assert.equal(kind, Kind.START_FAILED, how);
    assert.match(header.toString(), text);
  }
});

test('an end before it serves has the code of the program', async (t) => {
  for (const [how, expected] of [
    ['exit', 7],
    ['silent', 0],
  ]) {
    const worker = new TestWorker(startOf(how));
    t.after(() => worker.close());
    worker.start().catch(() => {}); // Nobody answers.
    assert.equal((await worker.exited).code, expected, how);
  }
});

test('`serve` may come late', async (t) => {
  const worker = await startWorker(t, { command: startOf('late serve') });
  assert.equal((await worker.ask('echo')).value, 'echo');
});

test('a worker that loops before it serves fails the start', needsServer, (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'procpool.toml');
  for (const command of [
    startOf('loop'),
    startOf('loop in init'),
    script('--export', 'default', fixture('loops.js')),
  ]) {
    const keys = `command = ${JSON.stringify(command)}\nstart_timeout = "2s"`;
    fs.writeFileSync(file, `[server]\nlisten = "127.0.0.1:0"\n[pools.loops]\n${keys}\n`);
    const { status, stderr } = spawnSync(PROCPOOL, ['serve', '--config', file], { encoding: 'utf8' });
    assert.notEqual(status, 0);
    assert.match(stderr, /within 2s|start_timeout/);
  }
});

test('a script whose module is missing is an error of its job, and a file of functions fails the start', async (t) => {
  const missing = fixture('requires-missing.js');
  const worker = await startWorker(t, { command: script(missing) });
  for (let i = 0; i < 2; i += 1) {
    const { status, header } = await worker.ask(i);
    assert.equal(status, 'BROKE');
    assert.match(header.toString(), /MODULE_NOT_FOUND.*Cannot find module 'no-such-module'/);
  }
  const main = await startWorker(t, { command: script('--main', missing) });
  assert.match((await main.ask(1)).header.toString(), /Cannot find module 'no-such-module'/);
  const { kind, header } = await startWorker(t, { command: script('--export', 'default', missing) });
  assert.equal(kind, Kind.START_FAILED);
  assert.match(header.toString(), /Cannot find module 'no-such-module'/);
});

test('a script that loops while it is loaded costs its thread', async (t) => {
  const worker = await startWorker(t, { command: script(fixture('loops.js')) });
  for (let i = 0; i < 2; i += 1) {
    const sequence = worker.send(i);
    worker.tell(Kind.CANCEL, { sequence });
    assert.equal((await worker.done()).status, 'CANCELLED');
  }
});

test('an error that nobody catches is a panic while a job runs', async (t) => {
  for (const [name, text] of [
    ['timer', /TypeError: Cannot read properties of null/],
    ['emitter', /Error: heard by nobody/],
    ['panic', /Error: boom/],
  ]) {
    const worker = await startWorker(t, { command: script('--export', name, fixture('tasks.js')) });
    const { status, header } = await worker.ask(1);
    assert.equal(status, 'PANICKED', name);
    assert.match(header.toString(), text);
    assert.equal((await worker.exited).code, Exit.PANICKED);
  }
});

test('an error after the answer ends the process, and leaves the answer', async (t) => {
  const worker = await startWorker(t, { command: script('--export', 'later', fixture('tasks.js')) });
  assert.equal((await worker.ask('answer')).value, 'answer');
  assert.equal((await worker.exited).code, Exit.PANICKED);
  assert.match(worker.stderr, /Cannot read properties of null.*nobody caught, while no job ran/s);
});

test('a Node that is too old is told by name, with the way out', () => {
  const old = ['--require', fixture('old-node.js')];
  for (const args of [
    ['-e', "require('procpool')"],
    ['--input-type=module', '-e', "import 'procpool'"],
    [BIN, fixture('script.js')],
    ['--require', REGISTER, '-e', '0'],
    [fixture('bad-starts.js'), 'silent'],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, [...old, ...args], {
      encoding: 'utf8',
      cwd: __dirname,
    });
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, /procpool needs Node\.js 18 or later, and \S+ is 16\.20\.2: name a newer one/);
  }
});
