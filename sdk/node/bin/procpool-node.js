#!/usr/bin/env node
// @ts-check
'use strict';
// Runs a script that was written for worker_threads as a procpool worker, unmodified.

require('../lib/node-version.js');
const { runScript } = require('../lib/threads/run-script.js');
const { USAGE, UsageError, parseOptions } = require('../lib/threads/options.js');

try {
  runScript(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof TypeError)) throw error;
  console.error(`procpool-node: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
