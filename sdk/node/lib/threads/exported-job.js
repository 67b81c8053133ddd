// @ts-check
'use strict';
// A function that a file exports, as a job.

const { pathToFileURL } = require('node:url');
const { BadInput } = require('../errors.js');
const { checkExists } = require('./check-script.js');

/**
 * @param {string} file absolute path
 * @param {string} name of the export
 * @param {boolean} isCloned whether inputs and outputs are structured clones
 */
function exportedJob(file, name, isCloned) {
  /** @type {(input: unknown, context: unknown) => unknown} */
  let run;
  const init = async () => {
    checkExists(file);
    run = find(await import(pathToFileURL(file).href), name, file);
  };
  if (!isCloned)
    return { init, run: (/** @type {any} */ input, /** @type {any} */ context) => run(input, context) };
  const { serialize, deserialize } = require('../clone.js');
  return {
    init,
    run: async (/** @type {any} */ input, /** @type {any} */ context) => {
      if (!(input instanceof Uint8Array))
        throw new BadInput('a structured clone is needed, as Pool sends it');
      return serialize(await run(deserialize(Buffer.from(input)), context));
    },
  };
}

/**
 * @param {Record<string, any>} module
 * @param {string} name
 * @param {string} file
 * @returns {(input: unknown, context: unknown) => unknown}
 */
function find(module, name, file) {
  const exported = module.default; // Of a CommonJS module, this is module.exports.
  const candidates = name === 'default' ? [exported, exported?.default] : [module[name], exported?.[name]];
  const found = candidates.find((candidate) => typeof candidate === 'function');
  if (found) return found;
  const names = new Set([...Object.keys(module), ...Object.keys(Object(exported))]);
  const functions = [...names].filter((key) => typeof (module[key] ?? exported?.[key]) === 'function');
  const offer = functions.length > 0 ? `its functions are ${functions.join(', ')}` : 'it exports no function';
  throw new TypeError(`${file} exports no function \`${name}\`: ${offer}`);
}

module.exports = { exportedJob };
