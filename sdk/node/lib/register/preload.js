// @ts-check
'use strict';
// Runs in the script's thread, before the script: gives it the `threadId` that its host knows.

const { syncBuiltinESMExports } = require('node:module');
const threads = require('node:worker_threads');
const { hidePreload } = require('../threads/new-thread.js');

const THREAD_ID_KEY = 'procpool.threadId';

if (!threads.isMainThread) {
  hidePreload(__filename);
  const threadId = threads.getEnvironmentData(THREAD_ID_KEY);
  threads.setEnvironmentData(THREAD_ID_KEY, /** @type {any} */ (undefined)); // Threads of the script have their own.
  if (threadId !== undefined) {
    Object.assign(threads, { threadId });
    syncBuiltinESMExports();
  }
}

module.exports = { THREAD_ID_KEY };
