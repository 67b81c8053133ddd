// @ts-check
'use strict';
// Runs a saved job in this process, for a person: no coordinator, no guard, no sockets.

const fs = require('node:fs');
const { Encoding, Exit, Kind, Status } = require('../wire/constants.js');
const { FRAME_HEADER } = require('../wire/constants.js');
const { FrameReader, parseJsonHeader } = require('../wire/frames.js');
const { exit } = require('./exit.js');
const { decode } = require('./outcome.js');
const { Runner } = require('./runner.js');
const { SharedState } = require('./shared-state.js');

const FORMATS = [1, 2];

/**
 * @typedef {import('../wire/frames.js').Frame} Frame
 * @typedef {{ welcome: Frame, job: Frame }} SavedJob
 */

/**
 * @param {import('./definition.js').Definition} definition
 * @param {string} file
 */
async function replay(definition, file) {
  const { welcome, job } = readSavedJob(definition, file);
  process.on('uncaughtException', (error) => {
    console.error(error);
    exit(Exit.PANICKED);
  });
  const { max_payload: maxPayload, worker, pool } = parseJsonHeader(welcome.header);
  let workerData;
  try {
    if (welcome.encoding !== Encoding.NONE) workerData = decode(welcome.encoding, welcome.payload);
    await definition.init?.({ workerData, worker, pool });
  } catch (error) {
    console.error(error);
    exit(Exit.FAILED, 'the initialisation failed');
  }
  const runner = new Runner({
    definition,
    connection: new Transcript(),
    state: new SharedState(),
    maxPayload,
    workerData,
  });
  runner.take(job);
  runner.ready();
}

/**
 * Reads the file as a jobs connection, and keeps its last job.
 *
 * @param {import('./definition.js').Definition} definition
 * @param {string} file
 * @returns {SavedJob}
 */
function readSavedJob({ name, version }, file) {
  /** @type {Partial<SavedJob>} */
  const saved = {};
  const reader = new FrameReader('jobs', (message) => {
    if (message.kind === Kind.WELCOME) saved.welcome = message;
    else if (message.kind === Kind.JOB) saved.job = message;
    else if (message.kind === Kind.RECORDING) checkRecording(parseJsonHeader(message.header), name, version);
  });
  try {
    reader.push(fs.readFileSync(file));
    if (!saved.welcome || !saved.job) throw new Error('it is cut off');
  } catch (error) {
    exit(Exit.BY_HAND, `failed to run the saved job ${file}: ${/** @type {Error} */ (error).message}`);
  }
  return /** @type {SavedJob} */ (saved);
}

/**
 * @param {Record<string, any>} recording
 * @param {string} name
 * @param {number} version
 */
function checkRecording({ format, job, contract, executable }, name, version) {
  if (!FORMATS.includes(format)) throw new Error(`its format is ${format}, and this package reads 1 and 2`);
  if (job !== name || contract !== version) {
    throw new Error(
      `it is of job \`${job}\`, contract version ${contract}, and this worker of \`${name}\`, version ${version}; ` +
        `it was saved from ${executable}`,
    );
  }
}

/** Prints what a worker would send, and ends the process with the outcome's code. */
class Transcript {
  sent = 0;
  isFlushed = true;

  /** @param {() => void} act */
  whenFlushed(act) {
    act();
  }

  /**
   * @param {Buffer} head
   * @param {Buffer} [payload]
   */
  send(head, payload) {
    const headerLength = head.readUInt32LE(0);
    const kind = head.readUInt16LE(8);
    const header = head.subarray(FRAME_HEADER, FRAME_HEADER + headerLength);
    const output = payload ?? head.subarray(FRAME_HEADER + headerLength);
    if (kind === Kind.CHUNK) fs.writeSync(1, output);
    if (kind === Kind.LOG) fs.writeSync(2, `${header}\n`);
    if (kind === Kind.DONE) this.#done(header, output);
  }

  /**
   * @param {Buffer} header
   * @param {Buffer} output
   */
  #done(header, output) {
    if (header[0] === Status.OK) {
      fs.writeSync(1, output);
      if (process.stdout.isTTY) fs.writeSync(1, '\n');
      exit(Exit.FINISHED);
    }
    const name = Object.keys(Status)[header[0]].toLowerCase();
    exit(
      header[0] === Status.PANICKED ? Exit.PANICKED : Exit.FAILED,
      `the job ended as ${name}: ${statusText(header)}`,
    );
  }

  finish() {}
}

/**
 * Returns the readable part of a status.
 *
 * @param {Buffer} header
 */
function statusText(header) {
  const printable = header
    .toString()
    .replace(/[^\P{C}]+/gu, ' ')
    .replace(/\uFFFD/g, ' ');
  return printable.trim();
}

module.exports = { replay };
