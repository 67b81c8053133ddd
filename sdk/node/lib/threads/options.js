// @ts-check
'use strict';
// The command line of procpool-node.

const USAGE = `usage: procpool-node [OPTIONS] FILE [ARGUMENT...]

Runs a script that was written for node:worker_threads as a procpool worker. Each job is
\`new Worker(FILE, { workerData: INPUT })\` and \`postMessage(INPUT)\`. The first message back is the output.

  --export NAME       run the function that FILE exports under this name instead; \`default\` for module.exports
  --main              run the script on the main thread, for process_per_job
  --name NAME         name of the job; default: the file's
  --contract NUMBER   version of the contract; default: 1
  --worker-data JSON  workerData of every thread, instead of the job's input

A pool of \`procpool serve\` starts it:
  [pools.fib]
  command = ["node", "node_modules/.bin/procpool-node", "./fibWorker.js"]
`;

/**
 * @typedef {object} Options
 * @property {string} file
 * @property {string[]} args arguments of the script
 * @property {string | undefined} exported
 * @property {boolean} main
 * @property {string | undefined} name
 * @property {number} contract
 * @property {unknown} workerData undefined: the job's input
 * @property {boolean} files whether a job may name another file, as one of this package's Pool may
 * @property {boolean} clone whether inputs and outputs are structured clones, as those of this package's Pool
 */

/** The command line makes no sense. */
class UsageError extends Error {}

/**
 * @param {string[]} args
 * @returns {Options}
 * @throws {UsageError}
 */
function parseOptions(args) {
  const rest = [...args];
  /** @type {Omit<Options, 'file' | 'args'>} */
  const options = {
    exported: undefined,
    main: false,
    name: undefined,
    contract: 1,
    workerData: undefined,
    clone: false,
    files: false,
  };
  while (rest[0]?.startsWith('--')) {
    const option = /** @type {string} */ (rest.shift());
    const value = () => {
      const found = rest.shift();
      if (found === undefined) throw new UsageError(`${option} needs a value`);
      return found;
    };
    if (option === '--main') options.main = true;
    else if (option === '--clone') options.clone = true;
    else if (option === '--files') options.files = true;
    else if (option === '--export') options.exported = value();
    else if (option === '--name') options.name = value();
    else if (option === '--contract') options.contract = Number(value());
    else if (option === '--worker-data') options.workerData = parseJson(value());
    else throw new UsageError(`${option} is no option`);
  }
  const file = rest.shift();
  if (file === undefined) throw new UsageError('a FILE is needed');
  return { ...options, file, args: rest };
}

/** @param {string} json */
function parseJson(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UsageError(`--worker-data is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}

module.exports = { parseOptions, UsageError, USAGE };
