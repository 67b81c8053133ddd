// @ts-check
'use strict';
// A function that a file exports, as a job.

const { pathToFileURL } = require('node:url');
const threads = require('node:worker_threads');
const { BadInput } = require('../errors.js');
const { checkExists } = require('./check-script.js');

/** @typedef {(input: unknown, context: unknown) => unknown} JobFunction */

/**
 * @param {string} file absolute path
 * @param {import('./options.js').Options & { exported: string }} options
 */
function exportedJob(file, { exported, clone: isCloned, files: mayNameFiles, workerData, args }) {
  /** @type {Record<string, any>} */
  let module;
  /** @type {JobFunction} */
  let run;
  const load = (/** @type {string} */ other) => {
    if (!mayNameFiles) {
      throw new BadInput(
        '`filename` of a job holds only where nobody else can send jobs: in a Pool without `listen`',
      );
    }
    checkExists(other);
    return import(pathToFileURL(other).href); // Which loads each file once.
  };
  const init = async () => {
    checkExists(file);
    process.argv.splice(1, Infinity, file, ...args);
    if (workerData !== undefined) Object.assign(threads, { workerData });
    module = await import(pathToFileURL(file).href);
    run = find(module, exported, file);
  };
  if (!isCloned)
    return { init, run: (/** @type {any} */ input, /** @type {any} */ context) => run(input, context) };
  const { serialize, deserialize } = require('../clone.js');
  return {
    init,
    run: async (/** @type {any} */ input, /** @type {any} */ context) => {
      if (!(input instanceof Uint8Array))
        throw new BadInput('a structured clone is needed, as Pool sends it');
      const [name, task, other] = deserialize(Buffer.from(input));
      let chosen = run;
      if (other !== undefined) chosen = find(await load(other), name ?? exported, other);
      else if (name !== undefined) chosen = find(module, name, file);
      return serialize(await chosen(task, context));
    },
  };
}

/**
 * @param {Record<string, any>} module
 * @param {string} name
 * @param {string} file
 * @returns {JobFunction}
 */
function find(module, name, file) {
  const exported = module.default; // Of a CommonJS module, this is module.exports.
  // Not what every function inherits: `constructor` makes functions of texts.
  const own = (/** @type {any} */ from) => (Object.hasOwn(Object(from), name) ? from[name] : undefined);
  const candidates = name === 'default' ? [exported, own(exported)] : [own(module), own(exported)];
  const found = candidates.find((candidate) => typeof candidate === 'function');
  if (found) return found;
  const names = new Set([...Object.keys(module), ...Object.keys(Object(exported))]);
  const functions = [...names].filter((key) => typeof (module[key] ?? exported?.[key]) === 'function');
  const offer = functions.length > 0 ? `its functions are ${functions.join(', ')}` : 'it exports no function';
  throw new TypeError(`${file} exports no function \`${name}\`: ${offer}`);
}

module.exports = { exportedJob };
