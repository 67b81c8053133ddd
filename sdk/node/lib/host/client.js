// @ts-check
'use strict';
// Sends jobs to a server by HTTP/1.1, over TCP or a Unix socket. Connections stay open for the next jobs.

const http = require('node:http');
const { Cancelled, JobError, errorOfProblem } = require('../errors.js');

/** Time after which an unused connection is closed here, in milliseconds: before the server does it. */
const IDLE = 30_000;
/** Maximum number of jobs that are at the server. Others wait here. The server has 1024 connections for all. */
const MAX_CONNECTIONS = 256;

/**
 * @typedef {object} Answer
 * @property {string} contentType
 * @property {Buffer} body
 */

class Client {
  #agent = new http.Agent({ keepAlive: true, timeout: IDLE, maxSockets: MAX_CONNECTIONS });
  #place;
  #path;

  /**
   * @param {string} url `http://HOST:PORT` or `unix:/PATH`
   * @param {string} pool
   */
  constructor(url, pool) {
    this.#place = placeOf(url);
    this.#path = `/v1/pools/${encodeURIComponent(pool)}`;
  }

  /**
   * Runs a job.
   *
   * @param {string} contentType
   * @param {Uint8Array} body
   * @param {object} options
   * @param {string} options.query
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<Answer>}
   * @throws {JobError}
   */
  async run(contentType, body, { query, signal }) {
    const headers = { 'content-type': contentType, 'content-length': body.length };
    const answer = await this.#request(
      { method: 'POST', path: `${this.#path}/jobs${query}`, headers },
      body,
      signal,
    );
    if (answer.status === 200) return answer;
    throw errorOfProblem(parseProblem(answer));
  }

  /**
   * @param {string} resource of the pool
   * @returns {Promise<any>}
   */
  async get(resource) {
    const answer = await this.#request({ method: 'GET', path: this.#path + resource });
    if (answer.status !== 200) throw errorOfProblem(parseProblem(answer));
    return JSON.parse(answer.body.toString());
  }

  /**
   * @param {http.RequestOptions} options
   * @param {Uint8Array} [body]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Answer & { status: number }>}
   */
  #request(options, body, signal) {
    return new Promise((resolve, reject) => {
      const aborted = () =>
        new Cancelled('the job was aborted', { outcome: 'cancelled', cause: signal?.reason });
      if (signal?.aborted) {
        reject(aborted());
        return;
      }
      const request = http.request({ ...this.#place, ...options, agent: this.#agent });
      const abort = () => request.destroy(aborted()); // The server cancels the job of a client that hangs up.
      signal?.addEventListener('abort', abort, { once: true });
      const settle = (/** @type {() => void} */ act) => {
        signal?.removeEventListener('abort', abort);
        act();
      };
      const fail = (/** @type {Error} */ error) => settle(() => reject(error));
      request.on('error', fail);
      request.on('response', (response) => {
        /** @type {Buffer[]} */
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', fail);
        response.on('end', () =>
          settle(() => {
            const contentType = response.headers['content-type'] ?? '';
            resolve({ status: response.statusCode ?? 0, contentType, body: Buffer.concat(parts) });
          }),
        );
      });
      request.end(body);
    });
  }

  /** Closes all connections. Jobs that run are cancelled. */
  close() {
    this.#agent.destroy();
  }
}

/**
 * @param {string} url
 * @returns {http.RequestOptions}
 */
function placeOf(url) {
  if (url.startsWith('unix:')) return { socketPath: url.slice('unix:'.length) };
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'http:')
    throw new TypeError(`${url}: the server speaks plain HTTP, or listens on unix:/PATH`);
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: port || 80 };
}

/** @param {Answer & { status: number }} answer */
function parseProblem({ status, contentType, body }) {
  if (!contentType.startsWith('application/problem+json')) {
    throw new JobError(`the server answered ${status} ${contentType}: is it procpool?`);
  }
  return JSON.parse(body.toString());
}

module.exports = { Client };
