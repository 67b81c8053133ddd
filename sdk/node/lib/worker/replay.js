// @ts-check
'use strict';
// Runs saved jobs in this process, for a person: no coordinator, no guard, no sockets, no deadline.
//
// WIRE.md, "Saved jobs". Outputs go to standard output, and notes to standard error.

const { Encoding, Exit } = require('../wire/constants.js');
const { parseJsonHeader } = require('../wire/frames.js');
const { complain, exit } = require('./exit.js');
const { decode } = require('./outcome.js');
const { Runner } = require('./runner.js');
const { readSavedJob } = require('./saved-job.js');
const { SharedState } = require('./shared-state.js');
const { Transcript } = require('./transcript.js');

/** Format of the files that can hold earlier jobs. */
const WITH_HISTORY = 2;

/**
 * @typedef {import('./saved-job.js').SavedJob} SavedJob
 *
 * @typedef {object} Turn one job that is run
 * @property {string | undefined} heading the line that is printed before it
 * @property {import('../wire/frames.js').Frame} job
 * @property {boolean} isWanted whether its output is printed
 * @property {string | undefined} note the line that is printed after it
 */

/**
 * Returns what the arguments ask for, if they ask for a replay: `--replay FILE... [--history]` at their end.
 *
 * @param {string[]} args
 * @returns {{ files: string[], withHistory: boolean } | undefined}
 */
function replayOf(args) {
  const at = args.lastIndexOf('--replay');
  const after = at < 0 ? [] : args.slice(at + 1);
  const files = after.filter((arg) => arg !== '--history');
  return files.length === 0 ? undefined : { files, withHistory: files.length < after.length };
}

/**
 * Runs the job of each file, and ends the process with the code of the last one.
 *
 * @param {import('./definition.js').Definition} definition
 * @param {{ files: string[], withHistory: boolean }} what
 */
async function replay(definition, { files, withHistory }) {
  const saved = files.map((file) => readSavedJob(definition, file));
  process.on('uncaughtException', (error) => {
    console.error(error);
    exit(Exit.PANICKED);
  });
  const { welcome, recording } = saved[0];
  complain(headingOf(recording));
  const { max_payload: maxPayload, worker, pool } = parseJsonHeader(welcome.header);
  let workerData;
  try {
    if (welcome.encoding !== Encoding.NONE) workerData = decode(welcome.encoding, welcome.payload);
    await definition.init?.({ workerData, worker, pool });
  } catch (error) {
    console.error(error);
    exit(Exit.FAILED, 'the initialisation failed');
  }
  const turns = turnsOf(saved, withHistory);
  const state = new SharedState();
  const connection = new Transcript(turns, state);
  const runner = new Runner({ definition, connection, state, maxPayload, workerData });
  // The files may come from several workers, each with sequence numbers of its own.
  for (const [i, { job }] of turns.entries()) runner.take({ ...job, sequence: BigInt(i + 1) });
  runner.ready();
}

/**
 * @param {SavedJob[]} saved
 * @param {boolean} withHistory
 * @returns {Turn[]}
 */
function turnsOf(saved, withHistory) {
  /** @type {Turn[]} */
  const turns = [];
  for (const [i, { history, job, recording }] of saved.entries()) {
    const earlier = withHistory ? history : [];
    for (const [nth, one] of earlier.entries()) {
      const heading = `running job ${nth + 1} of ${earlier.length} that its worker was given before`;
      turns.push({ heading, job: one, isWanted: false, note: undefined });
    }
    const first = earlier.length > 0 ? 'running the job that went wrong' : undefined; // Its heading is there.
    const heading = i === 0 ? first : headingOf(recording);
    turns.push({ heading, job, isWanted: true, note: companyOf(recording, turns.length, withHistory) });
  }
  return turns;
}

/** @param {Record<string, any>} recording */
function headingOf({ id, pool, attempt, outcome, summary }) {
  return `running job ${id} of pool \`${pool}\` again; attempt ${attempt} ended as ${outcome}: ${summary}`;
}

/**
 * Returns the note for a job whose worker had run more jobs before than this process.
 *
 * @param {Record<string, any>} recording
 * @param {number} others number of jobs before it here
 * @param {boolean} withHistory
 */
function companyOf({ format, jobs_before: before = 0 }, others, withHistory) {
  if (before <= others) return undefined;
  const kept = withHistory
    ? 'a larger `save_history` keeps more of them'
    : '`--history` runs the last of them first';
  const wayOut =
    format >= WITH_HISTORY
      ? kept
      : 'where the pool has `save_history`, the next file holds the last of them, and `--history` runs them first';
  return `its worker had run ${before} before it, and this process ${others}; a job may go wrong only after others: ${wayOut}`;
}

module.exports = { replay, replayOf };
