// The jobs that run for longest, in all pools.

import { duration } from './format.js';
import { fill } from './grid.js';
import { Order, orders } from './orders.js';
import { html } from './preact.js';

const SHOWN = 8;
/** Shorter jobs are not worth a look, in milliseconds. */
const SHORT = 500;

/**
 * @param {{pools: import('./model.js').Pool[], may: (scope: string) => boolean,
 *   choose: (pool: string, slot: number) => void}} props
 */
export function Longest({ pools, may, choose }) {
  const jobs = pools.flatMap((pool) => [...pool.longest].map(([slot, it]) => ({ pool, slot, ...it })));
  const shown = jobs
    .filter((it) => it.since >= SHORT)
    .toSorted((a, b) => b.since - a.since)
    .slice(0, SHOWN);
  return html`<section class="panel" aria-labelledby="longest">
    <header><h2 id="longest">Running longest</h2></header>
    ${
      shown.length === 0
        ? html`<p class="empty">No job has been running for more than half a second.</p>`
        : html`<ul class="rows">
          ${shown.map(({ pool, slot, since, job }) => {
            const worker = pool.workerName(slot) ?? `place ${slot}`;
            return html`<li key=${job}>
              <button class="plain link" onClick=${() => choose(pool.name, slot)}>${worker}</button>
              <span class="bar" aria-hidden="true"><span style=${{ width: `${fill(since) * 100}%` }}></span></span>
              <span class="number">${duration(since / 1000)}</span>
              ${may('submit') && html`<${Order} label="Cancel" confirm="Cancel it?" run=${() => orders.cancel(job)} title=${`job ${job}`} />`}
            </li>`;
          })}
        </ul>`
    }
  </section>`;
}
