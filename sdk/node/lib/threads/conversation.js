// @ts-check
'use strict';
// Free messages: one thread for the process, and every message passes through.

const { Encoding, Exit, Kind } = require('../wire/constants.js');
const { frame } = require('../wire/frames.js');
const headers = require('../wire/headers.js');
const { codeOf, decode, encode, messageOf } = require('../worker/outcome.js');
const { ScriptEnded, ScriptThread } = require('./script-thread.js');

/**
 * @param {string} file absolute path
 * @param {{ args: string[], workerData: unknown }} options
 * @returns {import('../worker/definition.js').Converse}
 */
function converse(file, { args, workerData }) {
  return (session) => {
    const { connection } = session;
    const fail = (/** @type {unknown} */ error) => {
      const header = headers.failure({ code: codeOf(error), message: messageOf(error) });
      connection.send(frame(Kind.MESSAGE_FAILED, { header }));
    };
    const thread = new ScriptThread(file, {
      workerData: session.workerData ?? workerData,
      args,
      onMessage: (message) => {
        try {
          const { encoding, output } = encode(message);
          connection.send(frame(Kind.MESSAGE, { payload: output, encoding }));
        } catch (error) {
          fail(error);
        }
      },
      onEnd: (error) => {
        if (error instanceof ScriptEnded) {
          connection.finish(error.exitCode);
          return;
        }
        console.error(error);
        fail(error);
        connection.finish(Exit.FAILED);
      },
    });
    session.onMessage = (encoding, payload) => {
      try {
        thread.post(encoding === Encoding.NONE ? undefined : decode(encoding, payload));
      } catch (error) {
        fail(error);
      }
    };
    session.onStop = () => connection.finish(Exit.FINISHED);
  };
}

module.exports = { converse };
