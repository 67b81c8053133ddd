// @ts-check
'use strict';
// The guard: a thread that reads the control connection while the main thread computes.

const { parentPort, workerData } = require('node:worker_threads');
const { AnswerRing } = require('./answer-ring.js');
const { Control } = require('./control.js');
const { SharedState } = require('./shared-state.js');

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

// The thread starts while the handshake is under way. The coordinator's words come later.
port.once('message', (welcome) => {
  const state = new SharedState(workerData.state);
  new Control({
    ...welcome,
    description: workerData.description,
    state,
    answers: new AnswerRing(workerData.answers),
    tell: (event) => port.postMessage(event),
  });
  port.postMessage('reading');
});
