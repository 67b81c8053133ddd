// @ts-check
'use strict';
// Serves a file as a job: a script in a thread, a script on the main thread, or a function that the file exports.

const path = require('node:path');
const { scriptName } = require('../worker/definition.js');
const { serve } = require('../worker/serve.js');
const { checkScript } = require('./check-script.js');

/** @param {import('./options.js').Options} options */
function runScript(options) {
  const file = path.resolve(options.file);
  const job = { name: options.name ?? scriptName(file), version: options.contract, ...jobOf(file, options) };
  serve(job, options.args);
}

/**
 * @param {string} file
 * @param {import('./options.js').Options} options
 */
function jobOf(file, options) {
  const { exported } = options;
  if (exported !== undefined) {
    const { exportedJob } = require('./exported-job.js');
    return exportedJob(file, { ...options, exported });
  }
  const init = () => checkScript(file);
  if (options.main) {
    const { MainScript } = require('./main-script.js');
    const script = new MainScript(file, options);
    return { init, run: script.run.bind(script) };
  }
  const { ThreadJobs } = require('./thread-jobs.js');
  const { converse } = require('./conversation.js');
  const jobs = new ThreadJobs(file, options);
  // The script blocks its own thread, never this one. So no guard is needed.
  return { init, run: jobs.run.bind(jobs), converse: converse(file, options), guard: false };
}

module.exports = { runScript };
