// @ts-check
'use strict';
// The options of a Pool, as the keys of `[pools.NAME]` in a configuration of `procpool serve`.

/** Options of which a number is a time in milliseconds. */
const DURATIONS = [
  'timeout',
  'runTimeout',
  'maxTimeout',
  'grace',
  'stopTimeout',
  'startTimeout',
  'idleTimeout',
  'recycleLifetime',
  'breakerWindow',
  'poisonWindow',
  'cpuLimit',
];
/** Options that the server takes as they are: numbers, sizes in bytes, texts, lists, tables. */
const PLAIN = [
  'currentDir',
  'env',
  'inheritEnv',
  'queue',
  'queueBytes',
  'maxPayload',
  'idempotent',
  'maxAttempts',
  'saveFailedJobs',
  'savedJobs',
  'saveHistory',
  'admission',
  'spares',
  'processPerJob',
  'recycleJobs',
  'recycleMemory',
  'breakerFailures',
  'poisonDeaths',
  'retryOutOfMemory',
  'memoryLimit',
  'openFilesLimit',
  'processLimit',
  'fileSizeLimit',
  'nice',
];
/** Names of Piscina, or with "threads", for the same. */
const ALIASES = /** @type {Record<string, string>} */ ({
  minThreads: 'minWorkers',
  maxThreads: 'maxWorkers',
  maxQueue: 'queue',
  niceIncrement: 'nice',
});
/** What to use instead of an option of Piscina. @type {Record<string, string>} */
const INSTEAD = {
  concurrentTasksPerWorker: ' but 1: a worker runs one job at a time; raise `maxThreads`',
  taskQueue: ': the server keeps the queue, first in, first out',
  closeTimeout: ': close() waits for the jobs, which `timeout` limits',
};
/** Options of Piscina that are about threads. They mean nothing to processes. */
const OF_THREADS = ['useAtomics', 'recordTiming', 'trackUnmanagedFds'];
/** Options that shape the command, or this side. */
const OWN = ['filename', 'name', 'command', 'argv', 'execArgv', 'workerData', 'resourceLimits', 'listen'];
const KNOWN = new Set([...DURATIONS, ...PLAIN, ...OWN, 'minWorkers', 'maxWorkers', ...Object.keys(ALIASES)]);

/**
 * Returns the options by the names of this package.
 *
 * @param {Record<string, any>} given
 * @returns {Record<string, any>}
 * @throws {TypeError}
 */
function normalize(given) {
  /** @type {Record<string, any>} */
  const options = {};
  for (const [key, value] of Object.entries(given)) {
    const isMoot = OF_THREADS.includes(key) || (key === 'concurrentTasksPerWorker' && value === 1);
    if (isMoot || value === undefined || (key === 'filename' && value === null)) continue;
    if (!KNOWN.has(key)) throw new TypeError(`a Pool has no option \`${key}\`${INSTEAD[key] ?? ''}`);
    if (typeof value === 'symbol')
      throw new TypeError(`\`${key}\` is ${String(value)}, which cannot leave this process`);
    if (key === 'maxQueue' && (value === 'auto' || value === Infinity)) continue;
    options[ALIASES[key] ?? key] = value;
  }
  return options;
}

/**
 * Returns the keys of the pool's table.
 *
 * @param {Record<string, any>} options normalized
 * @returns {Record<string, any>}
 */
function poolKeys(options) {
  /** @type {Record<string, any>} */
  const keys = {};
  for (const key of ['minWorkers', 'maxWorkers', ...PLAIN]) {
    if (options[key] !== undefined) keys[snake(key)] = options[key];
  }
  for (const key of DURATIONS) {
    const value = options[key];
    if (value === undefined) continue;
    const isEndless = value === null || value === Infinity;
    keys[snake(key)] = isEndless ? 'none' : typeof value === 'number' ? `${value}ms` : value;
  }
  return keys;
}

/** @param {string} name */
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Writes a value of TOML. A basic string has the escapes of JSON; U+007F needs one more.
 *
 * @param {any} value
 * @returns {string}
 */
function toml(value) {
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${toml(key)} = ${toml(String(member))}`)
      .join(', ')} }`;
  }
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

/**
 * Returns a configuration with one pool.
 *
 * @param {string} listen
 * @param {string} pool
 * @param {Record<string, any>} keys
 */
function configuration(listen, pool, keys) {
  const lines = Object.entries(keys).map(([key, value]) => `${key} = ${toml(value)}`);
  return `[server]\nlisten = ${toml(listen)}\n\n[pools.${pool}]\n${lines.join('\n')}\n`;
}

module.exports = { normalize, poolKeys, configuration };
