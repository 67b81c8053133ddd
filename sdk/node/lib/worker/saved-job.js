// @ts-check
'use strict';
// Reads the file of a saved job. It is what a coordinator sent, so it is read as a jobs connection is.

const fs = require('node:fs');
const { Exit, Kind } = require('../wire/constants.js');
const { FrameReader } = require('../wire/frame-reader.js');
const { parseJsonHeader } = require('../wire/frames.js');
const { exit } = require('./exit.js');

const FORMATS = [1, 2];

/**
 * @typedef {import('../wire/frames.js').Frame} Frame
 *
 * @typedef {object} SavedJob
 * @property {Record<string, any>} recording
 * @property {Frame} welcome
 * @property {Frame[]} history jobs that the worker was given before, the oldest first
 * @property {Frame} job
 */

/**
 * Reads a file of this worker's job. Ends the process if it is none.
 *
 * @param {import('./definition.js').Definition} definition
 * @param {string} file
 * @returns {SavedJob}
 */
function readSavedJob({ name, version }, file) {
  /** @type {Record<string, any> | undefined} */
  let recording;
  /** @type {Frame | undefined} */
  let welcome;
  /** @type {Frame[]} */
  const jobs = [];
  const reader = new FrameReader('jobs', (message) => {
    if (message.kind === Kind.WELCOME) welcome = message;
    else if (message.kind === Kind.JOB) jobs.push(message);
    else if (message.kind === Kind.RECORDING) {
      recording = parseJsonHeader(message.header);
      checkRecording(recording, name, version);
    }
  });
  try {
    reader.push(fs.readFileSync(file));
    const job = jobs.pop();
    if (!recording || !welcome || !job) throw new Error('it is cut off');
    return { recording, welcome, history: jobs, job };
  } catch (error) {
    return exit(Exit.BY_HAND, `failed to run the saved job ${file}: ${/** @type {Error} */ (error).message}`);
  }
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

module.exports = { readSavedJob };
