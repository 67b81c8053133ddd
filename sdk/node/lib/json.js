// @ts-check
'use strict';
// JSON of a value, or an error where JSON.stringify would lose something without a word: NaN becomes null there, and a
// Map `{}`. What JavaScript itself means by an absent value stays as it is: members that are undefined are left out.

const { types } = require('node:util');

/** What a text has where something may be lost. A value whose text has no such trace is not looked at twice. */
const TRACE = /null|\{\}|\{"0":/;

/**
 * @param {unknown} value
 * @returns {string}
 * @throws {TypeError} with the place
 */
function stringify(value) {
  const text = JSON.stringify(value === undefined ? null : value);
  if (text === undefined) throw new TypeError(`a ${typeof value} is no JSON`);
  const found = TRACE.test(text) ? find(value) : undefined;
  if (found === undefined) return text;
  const { path, what, hint } = found;
  const place = path === '' ? '' : `, at ${path.replace(/^\./, '')}`;
  throw new TypeError(`${what} is no JSON${place}${hint}`);
}

/**
 * @typedef {object} Loss
 * @property {string} path such as `.rows[3].mean`
 * @property {string} what
 * @property {string} hint the end of the sentence
 */

/**
 * Returns the first part of a value that JSON would lose.
 *
 * @param {unknown} value
 * @returns {Loss | undefined}
 */
function find(value) {
  if (typeof value !== 'object' || value === null) return findInLeaf(value);
  const { toJSON } = /** @type {any} */ (value);
  if (typeof toJSON !== 'function') return findInside(value);
  if (types.isDate(value) && Number.isNaN(value.getTime()))
    return { path: '', what: 'Invalid Date', hint: '' };
  const converted = toJSON.call(value, '');
  return typeof converted === 'object' && converted !== null ? findInside(converted) : findInLeaf(converted);
}

/** @param {unknown} value */
function findInLeaf(value) {
  const isLost = typeof value === 'number' && !Number.isFinite(value);
  return isLost ? { path: '', what: String(value), hint: '' } : undefined;
}

/** @param {object} value */
function findInside(value) {
  return Array.isArray(value) ? findInArray(value) : findInObject(value);
}

/** @param {readonly unknown[]} array */
function findInArray(array) {
  for (let i = 0; i < array.length; i += 1) {
    const item = array[i];
    if (typeof item === 'function' || typeof item === 'symbol') {
      return { path: `[${i}]`, what: `a ${typeof item}`, hint: '' };
    }
    const found = find(item);
    if (found) return { ...found, path: `[${i}]${found.path}` };
  }
  return undefined;
}

/** @param {object} object */
function findInObject(object) {
  const what = opaqueKind(object);
  if (what) return { path: '', ...what };
  for (const key of Object.keys(object)) {
    const found = find(/** @type {any} */ (object)[key]);
    if (found) return { ...found, path: `.${key}${found.path}` };
  }
  return undefined;
}

/**
 * Names an object whose content JSON does not see.
 *
 * @param {object} object
 * @returns {{ what: string, hint: string } | undefined}
 */
function opaqueKind(object) {
  if (types.isMap(object)) return { what: 'a Map', hint: ': use Object.fromEntries(map)' };
  if (types.isSet(object)) return { what: 'a Set', hint: ': use [...set]' };
  if (types.isPromise(object)) return { what: 'a Promise', hint: ': await it' };
  if (types.isNativeError(object)) return { what: 'an Error', hint: ': use its message, or throw it' };
  if (types.isRegExp(object)) return { what: 'a RegExp', hint: ': use its source' };
  if (ArrayBuffer.isView(object) || types.isAnyArrayBuffer(object)) {
    const name = object.constructor?.name ?? 'buffer';
    return {
      what: name,
      hint: ': bytes alone are an output, and a list of numbers is Array.from(bytes)',
    };
  }
  return undefined;
}

module.exports = { stringify };
