// The filter: `pool:fib state:busy 8f3a` shows what has all of these. Kept in the address of the page.

const KEYS = ['pool', 'state', 'cause', 'age'];

/**
 * @typedef {{pool?: string, state?: string, cause?: string, age?: string, words: string[], unknown: string[]}} Filter
 * @param {string} text
 * @returns {Filter}
 */
export function parse(text) {
  /** @type {Filter} */
  const filter = { words: [], unknown: [] };
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const [key, value] = word.split(/:(.*)/s);
    if (value === undefined) filter.words.push(word.toLowerCase());
    else if (KEYS.includes(key)) filter[key] = value.toLowerCase();
    else filter.unknown.push(key);
  }
  return filter;
}

/**
 * @param {Filter} filter
 * @param {import('./model.js').Pool} pool
 */
export function showsPool(filter, pool) {
  return !filter.pool || matches(filter.pool, pool.name);
}

/**
 * @param {Filter} filter
 * @param {string} letter
 * @param {string} state
 * @param {string | undefined} worker
 */
export function showsWorker(filter, letter, state, worker) {
  if (letter === '.' && (filter.state || filter.words.length > 0)) return false;
  const isOfState = !filter.state || state.startsWith(filter.state);
  return isOfState && filter.words.every((word) => worker?.toLowerCase().includes(word));
}

/**
 * @param {Filter} filter
 * @param {Record<string, any>} death
 * @param {number} now
 */
export function showsDeath(filter, death, now) {
  const text = JSON.stringify(death).toLowerCase();
  const isOfPool = !filter.pool || matches(filter.pool, death.pool);
  const isOfCause = !filter.cause || String(death.cause ?? '').startsWith(filter.cause);
  const age = seconds(filter.age);
  const isOfAge = age === undefined || now - death.at <= age * 1000;
  return isOfPool && isOfCause && isOfAge && filter.words.every((word) => text.includes(word));
}

/**
 * @param {string} pattern with `*` for anything
 * @param {string} name
 */
function matches(pattern, name) {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i').test(name);
}

/** @param {string | undefined} age `<1h` or `5m` */
function seconds(age) {
  const found = age?.match(/^<?(\d+)(s|m|h|d)$/);
  if (!found) return undefined;
  return Number(found[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[found[2]];
}
