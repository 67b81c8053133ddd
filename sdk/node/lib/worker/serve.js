// @ts-check
'use strict';
// `serve`: makes a process a worker.

const fs = require('node:fs');
const { Exit } = require('../wire/constants.js');
const { defineJob, describe } = require('./definition.js');
const { complain, exit, exitsByItself } = require('./exit.js');
const { JOBS_FD } = require('./answer-ring.js');

/** Signals that a stop of the whole service sends to every process. The coordinator ends its workers by itself. */
const STOP_SIGNALS = /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP']);

/**
 * Runs `run` for every job, until the coordinator ends this process.
 *
 * @param {any} job a function, or an object with `run`
 * @param {string[]} [args] arguments of the program
 */
function serve(job, args = process.argv.slice(2)) {
  const definition = defineJob(job);
  if (args.length === 1 && args[0] === '--describe') {
    fs.writeSync(1, `${JSON.stringify(describe(definition), null, 2)}\n`);
    process.exit(Exit.FINISHED);
  }
  if (args.includes('--replay')) {
    const { replay, replayOf } = require('./replay.js');
    const what = replayOf(args);
    if (what) {
      replay(definition, what);
      return;
    }
  }
  if (!isSpawned()) byHand(definition.name);
  const { Session } = require('./session.js');
  const session = new Session(definition);
  session.connection.onStranger = () => byHand(definition.name);
  for (const signal of STOP_SIGNALS) process.on(signal, () => {});
  process.on('uncaughtException', (error) => session.panic(error));
  process.on('exit', (code) => {
    session.connection.flush();
    if (exitsByItself() || session.runningId === undefined) return;
    complain(`job ${session.runningId} called process.exit(${code})`);
  });
  session.serve();
}

/**
 * Whether descriptor 3 may be the jobs connection. Its first bytes tell for certain.
 */
function isSpawned() {
  if (process.env.NODE_CHANNEL_FD === String(JOBS_FD)) return false; // The channel of child_process.fork().
  try {
    return fs.fstatSync(JOBS_FD).isSocket();
  } catch {
    return false;
  }
}

/**
 * @param {string} name
 * @returns {never}
 */
function byHand(name) {
  const command = [process.execPath, ...process.argv.slice(1)].map((arg) => JSON.stringify(arg)).join(', ');
  fs.writeSync(
    2,
    `This is the procpool worker \`${name}\`. A coordinator starts it: \`procpool serve --config FILE\` with\n` +
      `  [pools.${name}]\n  command = [${command}]\n` +
      'in FILE. `--describe` prints what it does, and `--replay FILE... [--history]` runs saved jobs.\n' +
      'If a coordinator started it, a program in between has closed descriptors 3 and 4, as npx, npm run and\n' +
      'child_process do: name node and the script in `command`.\n',
  );
  return exit(Exit.BY_HAND);
}

module.exports = { serve };
