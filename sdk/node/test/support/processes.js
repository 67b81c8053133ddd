'use strict';
// Looks at processes, and waits for files and processes without a clock of its own.

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

/** Whether a process runs; a zombie does not. */
function isAlive(pid) {
  try {
    return !/^State:\s*[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Kills a process, if it has not ended yet. */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Waits until `condition` holds. The test's own timeout ends it otherwise. */
async function until(condition) {
  for (;;) {
    const value = await condition();
    if (value) return value;
    await sleep(5);
  }
}

module.exports = { isAlive, kill, until };
