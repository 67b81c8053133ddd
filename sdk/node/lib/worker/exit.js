// @ts-check
'use strict';
// Ends the process with a code of WIRE.md, and says why on standard error.

const fs = require('node:fs');

/** Whether this package ends the process, not the job's code. */
let isOurs = false;

/**
 * @param {string} message
 */
function complain(message) {
  try {
    fs.writeSync(2, `procpool: ${message}\n`);
  } catch {
    // Nobody reads standard error.
  }
}

/**
 * @param {number} code
 * @param {string} [why]
 * @returns {never}
 */
function exit(code, why) {
  isOurs = true;
  if (why) complain(why);
  process.exit(code);
}

const exitsByItself = () => isOurs;

module.exports = { complain, exit, exitsByItself };
