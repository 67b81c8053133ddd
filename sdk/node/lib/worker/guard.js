// @ts-check
'use strict';
// Starts the guard: in a thread, or on the main thread of a worker whose function never blocks it.

const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { SharedState } = require('./shared-state.js');

/**
 * @typedef {{ owned: boolean, hasArenas: boolean }} GuardWelcome
 * @typedef {object} Guard
 * @property {import('./shared-state.js').SharedState} state
 * @property {(welcome: GuardWelcome) => Promise<void>} start begins to read the control connection
 */

/**
 * @param {object} description
 * @param {import('./answer-ring.js').AnswerRing} answers
 * @param {(event: import('./control.js').ControlEvent) => void} tell
 * @returns {Guard}
 */
function threadedGuard(description, answers, tell) {
  const state = new SharedState();
  const thread = new Worker(path.join(__dirname, 'guard-thread.js'), {
    workerData: { state: state.buffer, answers: answers.buffer, description },
    execArgv: [],
    name: 'procpool-guard',
  });
  thread.on('error', (error) => tell({ fatal: `the guard ended: ${error.message}` }));
  return {
    state,
    start: (welcome) =>
      new Promise((resolve) => {
        thread.on('message', (event) => (event === 'reading' ? resolve() : tell(event)));
        thread.postMessage(welcome);
      }),
  };
}

/**
 * @param {object} description
 * @param {import('./answer-ring.js').AnswerRing} answers
 * @param {(event: import('./control.js').ControlEvent) => void} tell
 * @returns {Guard}
 */
function localGuard(description, answers, tell) {
  const state = new SharedState();
  const start = async (/** @type {GuardWelcome} */ welcome) => {
    const { Control } = require('./control.js');
    new Control({ ...welcome, description, state, answers, tell });
  };
  return { state, start };
}

module.exports = { threadedGuard, localGuard };
