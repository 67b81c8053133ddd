'use strict';
// Runs one of Node's own test files in a program of its own, with threads or with processes as workers.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const REGISTER = path.join(__dirname, '..', '..', 'lib', 'register', 'index.js');
/** Where `fetch.sh` puts Node's tests. */
const FETCHED = path.join(__dirname, '..', '..', '..', '..', 'target', 'sdk', 'node-core');
/** Time after which a file that waits for ever is given up, in milliseconds. */
const HANGS = 120_000;
/** Length of the end of a program's output that is kept, in characters. */
const TAIL = 4000;

/** Returns the folder of Node's sources, or undefined if they are not here. */
function findSources() {
  const sources = process.env.NODE_CORE ?? FETCHED;
  return fs.existsSync(path.join(sources, 'test', 'common')) ? sources : undefined;
}

/** The names of Node's test files for `worker_threads`. */
function testFiles(sources) {
  return fs.readdirSync(path.join(sources, 'test', 'parallel')).filter((name) => /^test-worker\b/.test(name));
}

/**
 * Runs a file. Programs that it starts have threads or processes as workers, too.
 *
 * @returns {Promise<{ passed: boolean, skipped: boolean, output: string }>}
 */
async function runFile(sources, name, { register, scratch }) {
  const file = path.join(sources, 'test', 'parallel', name);
  const flags = [...fs.readFileSync(file, 'utf8').matchAll(/^\/\/ Flags: (.*)$/gm)];
  const { NODE_TEST_CONTEXT, NODE_CHANNEL_FD, ...inherited } = process.env; // Of the runner of this very test.
  const env = {
    ...inherited,
    NODE_OPTIONS: register ? `--require ${REGISTER}` : '',
    NODE_TEST_DIR: scratch,
    NODE_TEST_KNOWN_GLOBALS: '0', // Those of the Node that the file is of.
    TEST_THREAD_ID: `${name}-${register}`,
  };
  const args = [...flags.flatMap(([, line]) => line.trim().split(/\s+/)), file];
  const child = spawn(process.execPath, args, {
    cwd: sources,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-TAIL);
    });
  }
  const timer = setTimeout(() => {
    output += '\nit was given up';
    process.kill(-child.pid, 'SIGKILL');
  }, HANGS);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  return { passed: code === 0, skipped: /^1\.\.0 # Skipped/m.test(output), output };
}

module.exports = { findSources, testFiles, runFile };
