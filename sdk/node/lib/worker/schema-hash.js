// @ts-check
'use strict';
// The hash by which two programs notice that their schemas differ.

const OFFSET_BASIS = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

/** A number that has no canonical form. */
class NotCanonical extends Error {}

/**
 * @param {unknown} input JSON Schema
 * @param {unknown} output JSON Schema
 * @returns {string | undefined} 16 hexadecimal digits; undefined if a schema is missing, or has numbers whose text
 *   differs between languages
 */
function schemaHash(input, output) {
  if (input === undefined || output === undefined) return undefined;
  let bytes;
  try {
    bytes = Buffer.from(`${canonical(input)}\n${canonical(output)}`);
  } catch (error) {
    if (error instanceof NotCanonical) return undefined;
    throw error;
  }
  let hash = OFFSET_BASIS;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME);
  return hash.toString(16).padStart(16, '0');
}

/**
 * @param {any} value
 * @returns {string}
 */
function canonical(value) {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new NotCanonical();
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item ?? null)).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))); // By code points, not by UTF-16 units.
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`;
}

module.exports = { schemaHash };
