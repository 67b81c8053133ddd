'use strict';
// The package as it is published: packed, and installed into an empty folder.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const ROOT = path.join(__dirname, '..');

/** Removes what npm, which runs the tests, says to another npm. */
function ownEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
}

test('the packed package works in an empty folder', (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const run = (command, args, cwd = directory) =>
    execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      env: ownEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--pack-destination', directory], ROOT),
  );
  assert.deepEqual(
    files
      .map((file) => file.path)
      .filter((name) => !/^(lib\/|bin\/|package\.json$|README\.md$|LICENSE)/.test(name)),
    [],
  );
  fs.writeFileSync(path.join(directory, 'package.json'), '{}');
  run('npm', ['install', '--offline', `./${filename}`]);
  fs.writeFileSync(
    path.join(directory, 'worker.js'),
    "require('procpool').serve(function size(text) { return text.length; });",
  );
  assert.equal(JSON.parse(run(process.execPath, ['worker.js', '--describe'])).job, 'size');
  fs.writeFileSync(
    path.join(directory, 'worker.mjs'),
    "import { serve } from 'procpool'; serve({ name: 'm', run() {} });",
  );
  assert.equal(JSON.parse(run(process.execPath, ['worker.mjs', '--describe'])).job, 'm');
  assert.equal(JSON.parse(run('node_modules/.bin/procpool-node', ['worker.js', '--describe'])).job, 'worker');
  const host = `const { Worker } = require('worker_threads');
    new Worker('require("worker_threads").parentPort.postMessage(process.pid)', { eval: true })
      .on('message', (pid) => console.log(pid !== process.pid));`;
  fs.writeFileSync(path.join(directory, 'host.js'), host);
  assert.equal(run(process.execPath, ['--require', 'procpool/register', 'host.js']), 'true\n');
  assert.equal(run(process.execPath, ['--import', 'procpool/register', 'host.js']), 'true\n');
});
