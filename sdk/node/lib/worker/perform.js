// @ts-check
'use strict';
// Decodes an input, runs the function on it, and encodes its output: once, or for each input of a batch.

const { Encoding } = require('../wire/constants.js');
const headers = require('../wire/headers.js');
const { MAX_BATCH_OUTPUT, batchInputs } = require('./batch.js');
const outcomes = require('./outcome.js');
const { isStream, pull } = require('./stream.js');

/**
 * @typedef {import('./definition.js').Definition} Definition
 * @typedef {import('./context.js').Context} Context
 * @typedef {import('./outcome.js').Outcome} Outcome
 */

/**
 * Answers at once if the function does: nothing is awaited for nothing.
 *
 * @param {Definition} definition
 * @param {{ encoding: number, payload: Buffer }} input
 * @param {Context} context
 * @param {number} maxOutput bytes
 * @returns {Outcome | Promise<Outcome>}
 */
function perform(definition, { encoding, payload }, context, maxOutput) {
  const { validateInput, validateOutput, run } = definition;
  try {
    let input = outcomes.decode(encoding, payload);
    if (validateInput) input = validateInput(input);
    const result = isThenable(input) ? input.then((checked) => run(checked, context)) : run(input, context);
    const takesTime = isThenable(result) || isStream(result) || context.hasWaitingChunks;
    if (takesTime || validateOutput) return settle(definition, result, context, maxOutput);
    return outcomes.succeeded(result, maxOutput);
  } catch (error) {
    return outcomes.threw(error, context.cancelled);
  }
}

/**
 * @param {Definition} definition
 * @param {unknown} result
 * @param {Context} context
 * @param {number} maxOutput bytes
 * @returns {Promise<Outcome>}
 */
async function settle({ validateOutput }, result, context, maxOutput) {
  try {
    let value = await result;
    if (isStream(value)) value = await pull(value, context);
    await context.chunksSent();
    if (validateOutput) value = await validateOutput(value);
    return outcomes.succeeded(value, maxOutput);
  } catch (error) {
    return outcomes.threw(error, context.cancelled);
  }
}

/**
 * Runs the inputs of a batch, until the answers are long.
 *
 * @param {Definition} definition
 * @param {{ encoding: number, payload: Buffer }} batch
 * @param {Context} context
 * @param {number} maxPayload bytes
 * @param {import('./batch.js').BatchAnswers} answers
 * @returns {Promise<Outcome>}
 */
async function performBatch(definition, { encoding, payload: batch }, context, maxPayload, answers) {
  const inputs = batchInputs(batch);
  if (!inputs) return outcomes.badInput('the batch is cut off: its lengths do not fit its payload');
  const maxOutput = Math.min(maxPayload, MAX_BATCH_OUTPUT);
  for (const payload of inputs) {
    if (context.cancelled) return outcomes.cancelled();
    const outcome = perform(definition, { encoding, payload }, context, maxOutput);
    answers.push(outcome instanceof Promise ? await outcome : outcome);
    if (answers.areLong) break;
  }
  return { status: headers.ok, encoding: Encoding.RAW, output: answers.joined() };
}

/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
function isThenable(value) {
  return typeof (/** @type {any} */ (value)?.then) === 'function';
}

module.exports = { perform, performBatch };
