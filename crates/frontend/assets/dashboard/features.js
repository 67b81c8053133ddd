// The routes that this server has, as its OpenAPI document says: an older or a smaller one lacks some.

import { optional } from './api.js';

/** @type {Promise<Set<string>> | undefined} */
let known;

/**
 * Returns whether the server has a route, as `/v1/pools/{pool}/history`.
 * @param {string} path
 */
export async function has(path) {
  known ??= optional('/openapi.json').then(
    (document) => new Set(Object.keys(document?.paths ?? {})),
    () => new Set(),
  );
  return (await known).has(path);
}

/**
 * Returns the answer of a route, or `undefined` where there is none.
 * @param {string} route
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 */
export async function ifThere(route, path, options = {}) {
  return (await has(route)) ? optional(path, options) : undefined;
}
