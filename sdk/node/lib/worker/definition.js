// @ts-check
'use strict';
// Checks the definition of a job that a program gives to `serve`, and describes it.

const path = require('node:path');
const { version: sdkVersion } = require('../../package.json');
const { Limit } = require('../wire/constants.js');
const { BadInput } = require('../errors.js');
const { schemaHash } = require('./schema-hash.js');

const MAX_CONTRACT = 0xffffffff;

/**
 * @typedef {object} Definition
 * @property {string} name
 * @property {number} version
 * @property {string | undefined} build
 * @property {unknown} inputSchema JSON Schema, or undefined
 * @property {unknown} outputSchema JSON Schema, or undefined
 * @property {Validate | undefined} validateInput
 * @property {Validate | undefined} validateOutput
 * @property {((startup: import('../index.js').Startup) => unknown) | undefined} init
 * @property {(input: any, context: any) => unknown} run
 * @property {boolean} guard
 * @property {Converse | undefined} converse what a worker of free messages does
 *
 * @typedef {(value: unknown) => unknown} Validate returns the value to use, or a promise of it
 * @typedef {(session: import('./session.js').Session) => void} Converse
 */

/**
 * @param {any} given a function, or an object with `run`
 * @returns {Definition}
 * @throws {TypeError}
 */
function defineJob(given) {
  const job = typeof given === 'function' ? { run: given } : given;
  if (job === null || typeof job !== 'object' || typeof job.run !== 'function') {
    throw new TypeError('serve() takes a function, or an object whose `run` is a function');
  }
  const { name = job.run.name || scriptName(), version = 1, build, init, guard = true, converse } = job;
  if (typeof name !== 'string' || name === '') throw new TypeError('`name` is a text that is not empty');
  if (!Number.isInteger(version) || version < 0 || version > MAX_CONTRACT) {
    throw new TypeError(`\`version\` is a whole number from 0 to ${MAX_CONTRACT}, not ${version}`);
  }
  if (build !== undefined && typeof build !== 'string') throw new TypeError('`build` is a text');
  if (init !== undefined && typeof init !== 'function') throw new TypeError('`init` is a function');
  return {
    name,
    version,
    build,
    inputSchema: jsonSchema(job.input, 'input'),
    outputSchema: jsonSchema(job.output, 'output'),
    validateInput: validator(job.input, (issues) => new BadInput(issues)),
    validateOutput: validator(
      job.output,
      (issues) => new TypeError(`the output is not what it should be: ${issues}`),
    ),
    init: init?.bind(job),
    run: job.run.bind(job),
    guard,
    converse,
  };
}

/** The file's name without `.js` or `-worker.js`. */
function scriptName(file = process.argv[1] ?? 'worker') {
  const { name } = path.parse(file);
  return name.replace(/[-_.]?worker$/i, '') || name;
}

/** @param {any} schema */
const isStandard = (schema) => schema !== undefined && schema !== null && '~standard' in Object(schema);

/**
 * Returns a JSON Schema to show, or undefined.
 *
 * @param {any} schema a JSON Schema, or a Standard Schema that may know its JSON Schema
 * @param {'input' | 'output'} direction
 */
function jsonSchema(schema, direction) {
  if (!isStandard(schema)) return schema;
  try {
    return schema['~standard'].jsonSchema?.[direction]?.({ target: 'draft-2020-12' });
  } catch {
    return undefined; // A type that JSON Schema cannot express.
  }
}

/**
 * Returns a function that checks values with a Standard Schema (https://standardschema.dev).
 *
 * @param {any} schema
 * @param {(issues: string) => Error} refuse
 * @returns {Validate | undefined}
 */
function validator(schema, refuse) {
  if (!isStandard(schema)) return undefined;
  const conclude = (/** @type {any} */ result) => {
    if (result.issues) throw refuse(result.issues.map(issueText).join('; '));
    return result.value;
  };
  return (value) => {
    const result = schema['~standard'].validate(value);
    return typeof result?.then === 'function' ? result.then(conclude) : conclude(result);
  };
}

/** @param {{ message: string, path?: readonly any[] }} issue */
function issueText({ message, path: keys = [] }) {
  const place = keys.map((key) => String(key?.key ?? key)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}

/**
 * Returns the object that `--describe` prints and that answers `Describe`.
 *
 * @param {Definition} definition
 */
function describe(definition) {
  const { inputSchema: input, outputSchema: output } = definition;
  const description = { ...introduce(definition), input, output };
  const isLong = Buffer.byteLength(JSON.stringify(description)) > Limit.HEADER;
  return isLong ? introduce(definition) : description;
}

/**
 * The fields that `Hello` and the description have in common.
 *
 * @param {Definition} definition
 */
function introduce({ name, version, build, inputSchema, outputSchema, converse }) {
  return {
    job: name,
    contract: version,
    schema_hash: schemaHash(inputSchema, outputSchema),
    modes: converse ? ['jobs', 'messages'] : ['jobs'],
    sdk: `procpool-node ${sdkVersion}`,
    build,
  };
}

module.exports = { defineJob, describe, introduce, scriptName };
