// @ts-check
'use strict';
// `Pool`: runs the function of a file, or any worker, in supervised processes. Its methods have the names of Piscina.

const os = require('node:os');
const path = require('node:path');
const { version } = require('../../package.json');
const { JobError, ShutDown } = require('../errors.js');
const { Client } = require('./client.js');
const { cloneCodec, json, jsonCodec } = require('./codec.js');
const { JobRunner } = require('./job-runner.js');
const { normalize, poolKeys } = require('./pool-keys.js');
const { absolute } = require('./run-options.js');
const { POOL, Server } = require('./server.js');

const NODE_WORKER = path.join(__dirname, '..', '..', 'bin', 'procpool-node.js');

/** A pool with a server of its own. */
class Pool extends JobRunner {
  #options;
  /** Keys of the pool. @type {Record<string, any>} */
  #keys;
  /** @type {Server | undefined} */
  #server;
  /** @type {Promise<Client> | undefined} */
  #client;

  /** Version of this package. */
  static get version() {
    return version;
  }

  /** @param {Record<string, any>} given */
  constructor(given) {
    const options = normalize(given);
    if ((options.filename === undefined) === (options.command === undefined)) {
      throw new TypeError('a Pool needs `filename`, a file that exports a function, or else `command`');
    }
    super(options.filename === undefined ? jsonCodec : cloneCodec);
    this.#options = options;
    this.#keys = { command: options.command ?? nodeCommand(options), ...poolKeys(options) };
    this.connect().catch(() => {}); // The first job reports it.
  }

  /**
   * Returns a pool of a server that runs already.
   *
   * @param {string} url `http://HOST:PORT` or `unix:/PATH`
   * @param {string} pool
   */
  static at(url, pool) {
    return new RemotePool(url, pool);
  }

  /** Starts the server, unless it runs. One that has ended is started again for the next job. */
  connect() {
    this.#client ??= this.#start();
    return this.#client;
  }

  async #start() {
    const server = new Server(this.#keys, this.#options.listen);
    this.#server = server;
    server.ended.then(() => {
      if (this.#server !== server) return;
      this.#server = undefined;
      this.#client = undefined;
    });
    return new Client(await server.listening, POOL);
  }

  /**
   * @param {unknown} task
   * @param {import('./run-options.js').RunOptions | null} [options]
   */
  async run(task, options) {
    try {
      return await super.run(task, options);
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (error instanceof JobError || (code !== 'ECONNRESET' && code !== 'ECONNREFUSED' && code !== 'EPIPE'))
        throw error;
      throw new ShutDown(`the server of the pool has ended: ${code}`, { outcome: 'shut_down', cause: error });
    }
  }

  /** A copy of the options, by the names of this package. */
  get options() {
    return { ...this.#options };
  }

  /** Minimum number of workers. */
  get minThreads() {
    return this.#keys.min_workers ?? 1;
  }

  /** Maximum number of workers. */
  get maxThreads() {
    return this.#keys.max_workers ?? os.availableParallelism?.() ?? os.cpus().length;
  }

  /** Number of jobs that wait for a worker. */
  get queueSize() {
    return Math.max(0, this.pending - this.maxThreads);
  }

  /** Whether the next job would be refused because `maxQueue` jobs wait. Without it, they wait in this process. */
  get needsDrain() {
    return this.pending >= this.maxThreads + (this.#keys.queue ?? Infinity);
  }

  /**
   * Accepts no further jobs, lets the others end, and ends the server.
   *
   * @param {{ force?: boolean }} [options]
   */
  async close({ force = false } = {}) {
    if (force)
      throw new TypeError('close() lets all jobs end; destroy() ends those that wait, and the others too');
    await this.finish();
    await this.#end((server) => server.close());
  }

  /** Ends the server and its workers at once. Jobs that run or wait are rejected. */
  async destroy() {
    this.abandon();
    await this.#end((server) => server.kill());
  }

  /** @param {(server: Server) => Promise<void>} how */
  async #end(how) {
    const [server, client] = [this.#server, this.#client];
    await (server && how(server));
    (await client?.catch(() => undefined))?.close();
  }

  async [/** @type {any} */ (Symbol).asyncDispose ?? 'asyncDispose']() {
    await this.close();
  }
}

/** A pool of a server that somebody else started. */
class RemotePool extends JobRunner {
  #client;

  /**
   * @param {string} url
   * @param {string} pool
   */
  constructor(url, pool) {
    super(jsonCodec);
    this.#client = new Client(url, pool);
  }

  async connect() {
    return this.#client;
  }

  /** Lets the jobs of this program end, and closes the connections. */
  async close() {
    await this.finish();
    this.#client.close();
  }

  /** Closes the connections at once, which cancels the jobs of this program. */
  async destroy() {
    this.abandon();
    this.#client.close();
  }
}

/** @param {Record<string, any>} options normalized */
function nodeCommand({
  filename,
  name = 'default',
  argv = [],
  execArgv = [],
  workerData,
  resourceLimits = {},
  listen,
}) {
  const file = absolute(filename);
  const data = workerData === undefined ? [] : ['--worker-data', json(workerData, '`workerData`')];
  const flags = [...limitFlags(resourceLimits), ...execArgv];
  return [
    process.execPath,
    ...flags,
    NODE_WORKER,
    '--clone',
    ...(listen === undefined ? ['--files'] : []), // Only this user can send jobs.
    '--export',
    name,
    ...data,
    file,
    ...argv.map(String),
  ];
}

/**
 * Returns the options of Node for the limits of worker_threads.
 *
 * @param {Record<string, number>} limits
 */
function limitFlags({ maxOldGenerationSizeMb, maxYoungGenerationSizeMb, stackSizeMb }) {
  const flags = [];
  if (maxOldGenerationSizeMb) flags.push(`--max-old-space-size=${Math.ceil(maxOldGenerationSizeMb)}`);
  // The young generation has three semi-spaces.
  if (maxYoungGenerationSizeMb)
    flags.push(`--max-semi-space-size=${Math.ceil(maxYoungGenerationSizeMb / 3)}`);
  if (stackSizeMb) flags.push(`--stack-size=${Math.floor(stackSizeMb * 1024)}`);
  return flags;
}

module.exports = { Pool };
