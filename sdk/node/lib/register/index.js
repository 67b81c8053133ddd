// @ts-check
'use strict';
// `node --require procpool/register main.js`: every `new Worker(...)` of a program is a supervised process.
//
// Threads that a worker's script starts stay threads of that process.

require('../node-version.js');
const { syncBuiltinESMExports } = require('node:module');
const threads = require('node:worker_threads');
const { CHILD, environmentData, ProcessWorker } = require('./process-worker.js');

if (threads.isMainThread && process.argv[1] !== CHILD) {
  const { setEnvironmentData } = threads;
  Object.assign(threads, {
    Worker: ProcessWorker,
    /** @type {typeof setEnvironmentData} */
    setEnvironmentData(key, value) {
      setEnvironmentData(key, value);
      if (value === undefined) environmentData.delete(key);
      else environmentData.set(key, value);
    },
  });
  syncBuiltinESMExports(); // `import { Worker }` binds to these.
}
