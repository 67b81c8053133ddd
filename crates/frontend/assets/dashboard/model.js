// The state of the page, and how the events of the server change it. Pure: no network, no document, no clock.

import { decode } from './states.js';

/** Moments that are kept of each worker's state: a minute of them. */
export const TRACE = 240;
/** Milliseconds from one of them to the next. A busy server sends fewer ticks, and each of them counts for several. */
export const STEP = 250;
/** Seconds that are kept of each pool's figures. */
export const HISTORY = 300;
/** Deaths and marks that are kept. */
const RARE = 200;
/** Milliseconds for which a place shows that a worker died there. */
export const FADE = 10_000;

/**
 * @typedef {{number: number, pid: number, generation: number, startedAt: number}} Worker
 * @typedef {{min: number, max: number, queue: number, generation: number, reloading: boolean, paused: boolean,
 *   draining: boolean, breaker_open: boolean}} Configuration
 * @typedef {{at: number, pool: string, slot: number | null, worker: string, [more: string]: any}} Death
 * @typedef {{at: number, pool: string, what: string, [more: string]: any}} Mark
 */

/** One pool. */
export class Pool {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** The letter of each place's state, as its code. */
    this.states = new Uint8Array(0);
    /** @type {(Worker | undefined)[]} */
    this.workers = [];
    /** @type {Configuration | undefined} */
    this.cfg = undefined;
    this.queued = 0;
    this.running = 0;
    this.totals = { ok: 0, failed: 0, refused: 0, deaths: 0 };
    /** Milliseconds for which the oldest job has been waiting. */
    this.oldest = /** @type {number | undefined} */ (undefined);
    /** Microseconds of the last seconds' jobs: median and 99th percentile, if any has ended. */
    this.wait = /** @type {[number, number] | undefined} */ (undefined);
    this.run = /** @type {[number, number] | undefined} */ (undefined);
    /** @type {Map<number, {since: number, job: string}>} */
    this.longest = new Map();
    /** The time of each place's last death. */
    this.diedAt = new Map();
    /** Jobs a second, over the last two seconds. */
    this.rate = 0;
    /** @type {{t: number, done: number}[]} */
    this.recent = [];
    /** @type {Record<'t' | 'rate' | 'queued' | 'busy' | 'run', (number | null)[]>} */
    this.history = { t: [], rate: [], queued: [], busy: [], run: [] };
    /** The states of each place over the last minute: TRACE letters a place, in a ring. */
    this.trace = new Uint8Array(0);
    /** The moment of the newest of them. */
    this.moment = 0;
    /** Number of them. */
    this.moments = 0;
    /** Whether the seconds before the page were asked for. */
    this.isRecalled = false;
  }

  /** @returns {Record<string, number>} */
  get counts() {
    const counts = { b: 0, i: 0, s: 0, x: 0, r: 0 };
    for (const code of this.states) {
      const letter = String.fromCharCode(code);
      if (letter in counts) counts[letter] += 1;
    }
    return counts;
  }

  /** @param {number} slot */
  letter(slot) {
    return slot < this.states.length ? String.fromCharCode(this.states[slot]) : '.';
  }

  /** @param {number} slot */
  workerName(slot) {
    const worker = this.workers[slot];
    return worker ? `${this.name}-${worker.number}` : undefined;
  }

  /** @param {string} name */
  slotOf(name) {
    const at = this.workers.findIndex(
      (worker, slot) => worker && this.letter(slot) !== '.' && `${this.name}-${worker.number}` === name,
    );
    return at < 0 ? undefined : at;
  }
}

/** Everything that the page shows. */
export class Model {
  constructor() {
    /** @type {Map<string, Pool>} */
    this.pools = new Map();
    /** @type {Death[]} The newest first. */
    this.deaths = [];
    /** @type {Mark[]} The newest last. */
    this.marks = [];
    /** The time of the newest death, folded ones included. */
    this.diedAt = 0;
    /** The server's time of the last frame, in milliseconds. */
    this.at = 0;
    this.hasSnapshot = false;
  }

  /**
   * @param {string} name
   * @param {any} data
   */
  apply(name, data) {
    if (name === 'snapshot' || name === 'tick') this.#frame(name === 'snapshot', data);
    else if (name === 'death') this.#death(data);
    else if (name === 'deaths') this.#deaths(data);
    else if (name === 'mark') this.#mark(data);
  }

  /**
   * Puts the seconds before the page was there in front of a pool's history.
   * @param {string} name
   * @param {any} past
   */
  recall(name, past) {
    const pool = this.pools.get(name);
    if (!pool || !past) return;
    const { history } = pool;
    const first = history.t[0] ?? Number.POSITIVE_INFINITY;
    const columns = {
      rate: past.finished,
      queued: past.queued,
      busy: past.busy,
      run: past.run_p99_us?.map((it) => it && it / 1000),
    };
    const seconds = past.finished
      .map((_, at) => at)
      .filter((at) => past.start + at < first)
      .slice(-HISTORY);
    history.t.unshift(...seconds.map((at) => past.start + at));
    for (const [column, values] of Object.entries(columns)) {
      history[column].unshift(...seconds.map((at) => values?.[at] ?? null));
    }
  }

  /**
   * @param {boolean} isSnapshot
   * @param {any} data
   */
  #frame(isSnapshot, { t, pools }) {
    this.at = t;
    for (const name of this.pools.keys()) {
      if (!(name in pools)) this.pools.delete(name);
    }
    for (const [name, seen] of Object.entries(pools)) {
      const pool = this.pools.get(name) ?? new Pool(name);
      this.pools.set(name, pool);
      update(pool, t, seen, isSnapshot);
    }
    this.hasSnapshot ||= isSnapshot;
  }

  /** @param {any} data */
  #death({ t, ...death }) {
    this.#heard({ at: t, ...death });
    if (death.slot !== null && death.slot !== undefined)
      this.pools.get(death.pool)?.diedAt.set(death.slot, t);
  }

  /**
   * Many deaths of one group. They stand on the wall as one, until the server has told of each.
   * @param {any} data
   */
  #deaths({ t, n, slots, ...shared }) {
    this.#heard({ at: t, slot: null, worker: `${n} workers`, count: n, ...shared });
    for (const slot of slots ?? []) this.pools.get(shared.pool)?.diedAt.set(slot, t);
  }

  /** @param {Death} death */
  #heard(death) {
    this.diedAt = death.at;
    this.deaths.unshift(death);
    this.deaths.length = Math.min(this.deaths.length, RARE);
  }

  /** @param {any} data */
  #mark({ t, ...mark }) {
    this.marks.push({ at: t, ...mark });
    if (this.marks.length > RARE) this.marks.shift();
  }
}

/**
 * @param {Pool} pool
 * @param {number} t
 * @param {any} seen
 * @param {boolean} isSnapshot
 */
function update(pool, t, seen, isSnapshot) {
  pool.states = decode(seen.s);
  if (isSnapshot) pool.workers = [];
  for (const [slot, number, pid, generation, uptime] of seen.new ?? []) {
    pool.workers[slot] = { number, pid, generation, startedAt: t - uptime };
  }
  if (seen.cfg) pool.cfg = seen.cfg;
  pool.queued = seen.q;
  pool.oldest = seen.old;
  pool.running = seen.run;
  const [ok, failed, refused, deaths] = seen.d;
  pool.totals = { ok, failed, refused, deaths };
  pool.wait = seen.w;
  pool.run = seen.r;
  pool.longest = new Map((seen.long ?? []).map(([slot, since, job]) => [slot, { since, job }]));
  for (const [slot, at] of pool.diedAt) if (t - at > FADE) pool.diedAt.delete(slot);
  measure(pool, t, ok + failed);
  remember(pool, t);
}

/**
 * @param {Pool} pool
 * @param {number} t
 * @param {number} done
 */
function measure(pool, t, done) {
  pool.recent.push({ t, done });
  while (pool.recent.length > 2 && t - pool.recent[1].t >= 2000) pool.recent.shift();
  const first = pool.recent[0];
  pool.rate = t > first.t ? Math.max(0, ((done - first.done) * 1000) / (t - first.t)) : 0;
  const { history } = pool;
  const second = Math.floor(t / 1000);
  if (history.t.at(-1) === second) return;
  history.t.push(second);
  history.rate.push(pool.rate);
  history.queued.push(pool.queued);
  history.busy.push(pool.counts.b);
  history.run.push(pool.run ? pool.run[1] / 1000 : null);
  if (history.t.length > HISTORY) for (const list of Object.values(history)) list.shift();
}

/**
 * @param {Pool} pool
 * @param {number} t
 */
function remember(pool, t) {
  const places = pool.states.length;
  if (pool.trace.length < places * TRACE) {
    const longer = new Uint8Array(places * TRACE);
    longer.set(pool.trace);
    pool.trace = longer;
  }
  const kept = pool.trace.length / TRACE;
  const moment = Math.floor(t / STEP);
  const isNext = pool.moments > 0 && moment >= pool.moment && moment - pool.moment < TRACE;
  const steps = isNext ? moment - pool.moment : 1;
  if (!isNext) pool.moments = 0;
  // A tick that comes early replaces the last one. One that comes late stands for those that did not come.
  for (let step = steps === 0 ? 0 : 1; step <= steps; step += 1) {
    const at = (moment - steps + step) % TRACE;
    for (let slot = 0; slot < kept; slot += 1) pool.trace[slot * TRACE + at] = pool.states[slot] ?? 0;
  }
  pool.moment = moment;
  pool.moments = Math.min(TRACE, pool.moments + steps);
}
