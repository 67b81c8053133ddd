// The pane of a worker: what it does now, and what may be done to it.

import { call, optional } from './api.js';
import { Command } from './copy.js';
import { has, ifThere } from './features.js';
import { bytes, duration, millis } from './format.js';
import { Activity, Now } from './now.js';
import { Order, orders } from './orders.js';
import { Facts, Pane, Part } from './pane.js';
import { usePoll } from './poll.js';
import { html, useEffect, useRef, useState } from './preact.js';
import { Stack } from './stack.js';
import { NAMES } from './states.js';

/** Lines of a worker that are shown. */
const LINES = 200;

/**
 * @param {{pool: import('./model.js').Pool, slot: number, now: number, may: (scope: string) => boolean, wantsStack: number,
 *   close: () => void}} props
 */
export function WorkerPane({ pool, slot, now, may, wantsStack, close }) {
  const worker = pool.workers[slot];
  const name = pool.workerName(slot);
  const letter = pool.letter(slot);
  const isThere = worker !== undefined && letter !== '.' && name !== undefined;
  const job = pool.longest.get(slot);
  const seen = usePoll((signal) => (name ? look(name, signal) : Promise.resolve(undefined)), 1000, [
    name,
  ]).value;
  const details = seen?.id === name ? seen : undefined;
  const load = useLoad(details);
  const badge = html`<span class="state"><span class=${`dot ${NAMES[letter]}`}></span>${NAMES[letter]}</span>`;
  return html`<${Pane} title=${name ?? `place ${slot}`} badge=${badge} close=${close}>
    ${
      isThere
        ? html`
          <${Facts}
            rows=${[
              ['pid', worker.pid || 'not spawned yet'],
              ['up', duration(Math.max(0, now - worker.startedAt) / 1000)],
              ['jobs done', details?.jobs_done],
              ['memory', details?.resident_bytes && bytes(details.resident_bytes)],
              [
                'processor',
                details?.cpu_ms !== undefined &&
                  `${load === undefined ? '' : `${load.toFixed(0)} % now, `}${millis(details.cpu_ms)} in all`,
              ],
              ['generation', worker.generation],
              ['build', details?.build],
            ]}
          />
          <${Part} title="Now">
            ${letter === 'b' ? html`<${Now} job=${job} details=${details} />` : html`<p class="muted">It has no job.</p>`}
            <${Activity} activity=${details?.activity} />
          <//>
          ${
            may('operate') &&
            html`<div class="orders" role="group" aria-label="Orders">
            <${Order} label="Retire" confirm="Retire it?" run=${() => orders.retire(name)} title="Ends it after its job; a replacement starts" />
            <${Order} label="Kill" confirm="Kill it now?" danger run=${() => orders.kill(name)} title="Its job ends as crashed" />
          </div>`
          }
          ${may('debug') && html`<${StackPart} worker=${name} wanted=${wantsStack} /><${Profile} worker=${name} /><${Log} worker=${name} />`}
          <${Command} label="the same in a shell" text=${`curl ${location.origin}/v1/workers/${name}`} />
        `
        : html`<p class="empty">No worker is here at the moment.${pool.diedAt.has(slot) ? ' One died a moment ago; its replacement appears here.' : ''}</p>`
    }
  <//>`;
}

/**
 * Returns the part of a processor that a worker used between the last two answers, in percent.
 * @param {any} details
 */
function useLoad(details) {
  const last = useRef(/** @type {any[]} */ ([]));
  const [before, now] = last.current;
  if (details && details !== now)
    last.current = now?.id === details.id ? [now, details] : [undefined, details];
  if (!before || !now || now.cpu_ms === undefined || before.cpu_ms === undefined) return undefined;
  return Math.max(0, ((now.cpu_ms - before.cpu_ms) * 100) / (now.at - before.at));
}

/**
 * @param {string} name
 * @param {AbortSignal} signal
 */
async function look(name, signal) {
  const found = await optional(`/v1/workers/${encodeURIComponent(name)}`, { signal });
  return found && { ...found, at: performance.now() };
}

/** @param {{worker: string, wanted: number}} props */
function StackPart({ worker, wanted }) {
  const [asked, setAsked] = useState(0);
  const total = asked + wanted;
  const [stack, setStack] = useState(/** @type {any} */ (undefined));
  const [taken, setTaken] = useState(0);
  if (total > taken) {
    setTaken(total);
    setStack('…');
    ifThere('/v1/workers/{worker}/stack', `/v1/workers/${encodeURIComponent(worker)}/stack?threads=all`)
      .then((it) => setStack(it ?? null))
      .catch((error) => setStack({ note: error.message }));
  }
  return html`<${Part} title="Stack">
    ${
      stack === undefined || stack === '…'
        ? html`<button class="order" disabled=${stack === '…'} onClick=${() => setAsked(asked + 1)}>${stack === '…' ? 'looking …' : 'Take its stack'}</button>`
        : stack === null
          ? html`<p class="muted">This server cannot take stacks.</p>`
          : html`<${Stack} stack=${stack.stack ?? stack} /><button class="order" onClick=${() => setAsked(asked + 1)}>Take it again</button>`
    }
  <//>`;
}

/** @param {{worker: string}} props */
function Profile({ worker }) {
  const [state, setState] = useState(
    /** @type {{picture?: string, problem?: string, isTaken: boolean}} */ ({ isTaken: false }),
  );
  const take = async () => {
    setState({ isTaken: true });
    if (!(await has('/v1/workers/{worker}/profile'))) {
      setState({ problem: 'This server takes no profiles.', isTaken: false });
      return;
    }
    try {
      const { text } = await call(
        'POST',
        `/v1/workers/${encodeURIComponent(worker)}/profile?seconds=5&format=svg`,
      );
      setState({ picture: text, isTaken: false });
    } catch (/** @type {any} */ error) {
      setState({ problem: error.message, isTaken: false });
    }
  };
  return html`<${Part} title="Profile">
    ${state.picture && html`<img class="profile" alt=${`Where ${worker} spent five seconds`} src=${`data:image/svg+xml,${encodeURIComponent(state.picture)}`} />`}
    ${state.problem && html`<p class="muted">${state.problem}</p>`}
    <button class="order" disabled=${state.isTaken} onClick=${take}>${state.isTaken ? 'looking for five seconds …' : 'Look for five seconds'}</button>
  <//>`;
}

/** @param {{worker: string}} props */
function Log({ worker }) {
  const { lines, isKept } = useLines(worker);
  if (isKept === false)
    return html`<${Part} title="Standard error"><p class="muted">This server keeps no lines of its workers.</p><//>`;
  return html`<${Part} title="Standard error">
    ${lines.length === 0 ? html`<p class="muted">Nothing so far.</p>` : html`<pre class="log" tabindex="0">${lines.join('\n')}</pre>`}
  <//>`;
}

/**
 * Follows what a worker writes, while its pane is open.
 * @param {string} worker
 * @returns {{lines: string[], isKept?: boolean}}
 */
function useLines(worker) {
  const [heard, setHeard] = useState(/** @type {{lines: string[], isKept?: boolean}} */ ({ lines: [] }));
  useEffect(() => {
    /** @type {EventSource | undefined} */
    let source;
    let isOver = false;
    setHeard({ lines: [] });
    has('/v1/workers/{worker}/logs').then((isKept) => {
      setHeard({ lines: [], isKept });
      if (!isKept || isOver) return;
      source = new EventSource(`/v1/workers/${encodeURIComponent(worker)}/logs`);
      source.addEventListener('line', (event) => {
        const { text } = JSON.parse(event.data);
        setHeard((before) => ({ lines: [...before.lines, text].slice(-LINES), isKept: true }));
      });
      for (const last of ['end', 'bye']) source.addEventListener(last, () => source?.close());
    });
    return () => {
      isOver = true;
      source?.close();
    };
  }, [worker]);
  return heard;
}
