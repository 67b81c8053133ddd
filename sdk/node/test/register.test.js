'use strict';
// Hosts of worker_threads whose workers are processes: they see what they see with threads.

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { fixture, program } = require('./support/server.js');
const { isAlive, kill, until } = require('./support/processes.js');

const REGISTER = path.join(__dirname, '..', 'lib', 'register', 'index.js');
const HOST = fixture('host.js');
const PROGRAMS = path.dirname(program('server.js'));

const run = promisify(execFile);
const withThreads = async (...args) => (await run(process.execPath, args)).stdout;
const withProcesses = async (...args) =>
  (await run(process.execPath, ['--require', REGISTER, ...args])).stdout;

for (const name of [
  'values',
  'transfer',
  'errors',
  'ends',
  'scripts',
  'environment',
  'limits',
  'streams',
  'late',
  'refusals',
  'unref',
  'once',
]) {
  test(`a host sees the same ${name} with threads and with processes`, async () => {
    const [expected, actual] = await Promise.all([withThreads(HOST, name), withProcesses(HOST, name)]);
    assert.equal(actual, expected);
  });
}

test('what cannot cross a process is refused with a reason, and a killed worker is an error', async () => {
  const printed = await withProcesses(HOST, 'process');
  assert.match(printed, /DataCloneError a SharedArrayBuffer cannot be shared: .*Send a copy/);
  assert.match(printed, /DataCloneError a MessagePort cannot be sent/);
  assert.match(printed, /DataCloneError a MessagePort cannot be transferred/);
  assert.match(printed, /SHARE_ENV cannot hold/);
  assert.match(printed, /getHeapSnapshot\(\) cannot look into another process/);
  assert.match(
    printed,
    /process error WorkerCrashed WorkerCrashed ERR_WORKER_CRASHED .* ended by SIGKILL\nprocess exit 1 -1/,
  );
  assert.match(printed, /process messageerror .*SharedArrayBuffer/);
  assert.match(printed, /process wasm error Error DataCloneError .* bytes of a WebAssembly\.Module\n/);
});

test('a worker for which there are no file descriptors is an error of its own', async () => {
  const command = `ulimit -n 100 && exec "$@"`;
  const args = ['-c', command, 'sh', process.execPath, '--require', REGISTER, HOST, 'crowd'];
  assert.equal((await run('sh', args)).stdout, 'crowd none 0 EMFILE 1\n');
});

for (const state of ['running', 'stopped']) {
  test(`nothing is left of ${state} workers when their host is killed`, async (t) => {
    const host = spawn(process.execPath, ['--require', REGISTER, HOST, 'orphan'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => host.kill('SIGKILL'));
    const [line] = await once(createInterface(host.stdout), 'line');
    const pids = JSON.parse(line);
    t.after(() => pids.forEach(kill));
    assert.ok(pids.every(isAlive));
    if (state === 'stopped') process.kill(pids[0], 'SIGSTOP'); // It cannot read that its connections have ended.
    host.kill('SIGKILL');
    await until(() => !pids.some(isAlive));
  });
}

test('the programs print what they print with threads', async (t) => {
  const fib = await run(process.execPath, ['--require', REGISTER, 'fib-main.js'], { cwd: PROGRAMS });
  assert.equal(fib.stdout, 'Starting Fibonacci...\nFib result: 102334155\n');

  const ping = spawn(process.execPath, ['--require', REGISTER, 'ping-main.js'], { cwd: PROGRAMS });
  t.after(() => ping.kill('SIGKILL'));
  assert.deepEqual(await once(createInterface(ping.stdout), 'line'), ['From worker: pong']);
});

test('the HTTP server of the tutorial answers as with threads', async (t) => {
  // It listens on port 3000, which another program may have: then there is nothing to see.
  const server = spawn(process.execPath, ['--require', REGISTER, 'server.js'], { cwd: PROGRAMS });
  t.after(() => server.kill('SIGKILL'));
  let errors = '';
  server.stderr.on('data', (data) => {
    errors += data;
  });
  const [line] = await Promise.race([once(createInterface(server.stdout), 'line'), once(server, 'close')]);
  if (errors.includes('EADDRINUSE')) return t.skip('port 3000 is in use');
  assert.equal(line, 'Server running on port 3000');
  assert.equal(await (await fetch('http://127.0.0.1:3000/')).text(), 'OK');
  assert.equal(await (await fetch('http://127.0.0.1:3000/compute')).text(), 'Result: 235702256859.7696');
});
