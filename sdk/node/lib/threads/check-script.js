// @ts-check
'use strict';
// Finds out at the start what would fail every job: a script that is missing, or that does not parse.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const { promisify } = require('node:util');
const { Script } = require('node:vm');
const { wrap } = require('node:module');

/** Options of Node that may change how files are read. */
const LOADERS = /^(-r|--require|--import|--loader|--experimental-loader)(=|$)/;

/**
 * @param {string} file absolute path
 * @throws {Error}
 */
async function checkScript(file) {
  checkExists(file);
  if (!isPlainScript(file) || parsesAsCommonJs(file)) return;
  // Another process knows all about modules. It is asked only where this one found something to ask about.
  try {
    await promisify(execFile)(process.execPath, ['--check', file]);
  } catch (error) {
    const { stderr } = /** @type {{ stderr?: string }} */ (error);
    throw new SyntaxError(`the script does not parse: ${firstLines(stderr ?? String(error))}`);
  }
}

/** @param {string} file absolute path */
function checkExists(file) {
  if (fs.existsSync(file)) return;
  const hint = 'Name it by an absolute path, or by one that counts from the working directory';
  throw new Error(`there is no file ${file}. ${hint}, ${process.cwd()}`);
}

/**
 * Whether Node reads the file as it is. A loader may make a script of anything.
 *
 * @param {string} file
 */
function isPlainScript(file) {
  return /\.[cm]?js$/.test(file) && !process.execArgv.some((option) => LOADERS.test(option));
}

/** @param {string} file */
function parsesAsCommonJs(file) {
  if (file.endsWith('.mjs')) return false;
  try {
    new Script(wrap(fs.readFileSync(file, 'utf8').replace(/^#!.*/, '')), { filename: file });
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns what says where and what, without the trace of Node itself.
 *
 * @param {string} trace
 */
function firstLines(trace) {
  const lines = trace.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^Node\.js v/.test(line));
  return lines.slice(0, 6).join('\n');
}

module.exports = { checkScript, checkExists };
