// Calls of the server's HTTP API, and the `curl` line that does the same.

/** A problem document (RFC 9457), or what stands for one. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {any} problem
   */
  constructor(status, problem) {
    super(problem?.detail ?? problem?.title ?? `the server answered with ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: string, type?: string, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function call(method, path, { body, type = 'application/json', headers = {}, signal } = {}) {
  const sent = body === undefined ? headers : { ...headers, 'content-type': type };
  let response;
  try {
    response = await fetch(path, { method, headers: sent, body, signal, credentials: 'same-origin' });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { detail: 'the server cannot be reached' });
  }
  const text = await response.text();
  const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
  let value = text;
  try {
    if (isJson && text) value = JSON.parse(text);
  } catch {
    // Output that a worker calls JSON is shown as it is.
  }
  if (!response.ok) throw new ApiError(response.status, typeof value === 'object' ? value : { detail: text });
  return { status: response.status, headers: response.headers, value, text };
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function get(path, options = {}) {
  return (await call('GET', path, options)).value;
}

/**
 * Returns what `get` does, or `undefined` where this server has no such route or the thing is gone.
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function optional(path, options = {}) {
  try {
    return await get(path, options);
  } catch (error) {
    if (error instanceof ApiError && [403, 404, 405, 410, 501].includes(error.status)) return undefined;
    throw error;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} [body]
 */
export function curl(method, path, body) {
  const parts = ['curl'];
  if (method !== 'GET') parts.push('-X', method);
  if (body !== undefined) parts.push('-H', quoted('content-type: application/json'), '-d', quoted(body));
  parts.push(quoted(location.origin + path));
  return parts.join(' ');
}

/** @param {string} text */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
