// @ts-check
'use strict';
// The process of a `ProcessWorker`: runs the script in a thread, and passes everything on.
//
// The script never blocks this thread, which ends the process when the host is gone.

const path = require('node:path');
const { setEnvironmentData } = require('node:worker_threads');
const { CloneError, deserialize, serialize } = require('../clone.js');
const { newThread } = require('../threads/new-thread.js');
const { Encoding, Exit, Kind } = require('../wire/constants.js');
const { frame } = require('../wire/frames.js');
const { defineJob } = require('../worker/definition.js');
const { Session } = require('../worker/session.js');
const { packError, unreadable } = require('./errors.js');
const { THREAD_ID_KEY } = require('./preload.js');

/** @param {Session} session */
function converse(session) {
  const { connection } = session;
  const start = deserialize(/** @type {Buffer} */ (session.workerData));
  const { source, thread: options, workerData, threadId, environmentData } = start;
  const send = (/** @type {string} */ event, /** @type {unknown} */ value) =>
    connection.send(frame(Kind.MESSAGE, { payload: serialize({ event, value }), encoding: Encoding.RAW }));
  for (const [key, value] of environmentData) setEnvironmentData(key, value);
  setEnvironmentData(THREAD_ID_KEY, threadId);
  const script = source.isUrl ? new URL(source.script) : source.script;
  const preload = path.join(__dirname, 'preload.js');
  const thread = newThread(script, { ...options, eval: source.isCode, workerData }, preload);
  if (options.stdin) process.stdin.pipe(/** @type {import('node:stream').Writable} */ (thread.stdin));
  thread.on('online', () => send('online', undefined));
  thread.on('error', (error) => send('error', packError(error)));
  thread.on('messageerror', (error) => send('messageerror', packError(error)));
  thread.on('message', (message) => {
    try {
      send('message', message);
    } catch (error) {
      if (!(error instanceof CloneError)) throw error;
      send('messageerror', packError(error));
    }
  });
  thread.on('exit', (code) => {
    send('exit', code);
    connection.finish(Exit.FINISHED);
  });
  session.onMessage = (_, payload) => {
    let message;
    try {
      message = deserialize(payload);
    } catch (error) {
      send('error', packError(unreadable(error))); // The sender is not told otherwise: an error must be seen.
      send('exit', Exit.FAILED);
      connection.finish(Exit.FINISHED);
      return;
    }
    thread.postMessage(message);
  };
  session.onStop = () => connection.finish(Exit.FINISHED);
}

new Session(defineJob({ name: 'worker', run() {}, guard: false, converse })).serve();
