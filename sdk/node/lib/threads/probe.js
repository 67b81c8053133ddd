// @ts-check
'use strict';
// Runs in the script's thread, before the script. Notes, with each message that the script sends, whether it still
// listens. A script that does not is over after its answer: the next job must not be sent to it, where nobody would
// read it.

const { getEnvironmentData, parentPort, setEnvironmentData } = require('node:worker_threads');
const { hidePreload } = require('./new-thread.js');
const { DOES_NOT_LISTEN, LISTENS, PROBE_KEY } = require('./probe-key.js');

hidePreload(__filename);
const cell = /** @type {Int32Array | undefined} */ (/** @type {unknown} */ (getEnvironmentData(PROBE_KEY)));
setEnvironmentData(PROBE_KEY, /** @type {any} */ (undefined)); // Threads that the script starts have their own lives.

if (cell && parentPort) {
  const port = /** @type {any} */ (parentPort); // @types/node does not know hasRef().
  const postMessage = port.postMessage;
  Object.defineProperty(port, 'postMessage', {
    configurable: true,
    writable: true,
    value: (/** @type {any[]} */ ...args) => {
      // A port with a listener keeps its thread alive. `removeAllListeners` leaves it so.
      const listens = port.hasRef() && port.listenerCount('message') > 0;
      Atomics.store(cell, 0, listens ? LISTENS : DOES_NOT_LISTEN);
      try {
        return Reflect.apply(postMessage, port, args);
      } catch (error) {
        throw sendable(error);
      }
    },
  });
}

/**
 * Returns an error that reaches the job. A `DOMException`, as of a value that cannot be cloned, would arrive as an
 * object without members.
 *
 * @param {unknown} error
 */
function sendable(error) {
  if (!(error instanceof DOMException)) return error;
  const { name, message, code, stack } = error;
  return Object.assign(new Error(message), { name, code, stack });
}
