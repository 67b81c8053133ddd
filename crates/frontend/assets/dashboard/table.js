// The workers of a pool as a table: for screen readers, and for pools with more workers than cells can show.

import { showsWorker } from './find.js';
import { duration } from './format.js';
import { html, useState } from './preact.js';
import { NAMES } from './states.js';

const PAGE = 50;

/**
 * @param {{pool: import('./model.js').Pool, now: number, filter: import('./find.js').Filter,
 *   choose: (slot: number) => void}} props
 */
export function Table({ pool, now, filter, choose }) {
  const [page, setPage] = useState(0);
  const slots = [...pool.states.keys()].filter((slot) => {
    const letter = pool.letter(slot);
    return letter !== '.' && showsWorker(filter, letter, NAMES[letter], pool.workerName(slot));
  });
  const pages = Math.max(1, Math.ceil(slots.length / PAGE));
  const first = Math.min(page, pages - 1) * PAGE;
  return html`<div class="table">
    <table>
      <caption class="hidden">Workers of ${pool.name}</caption>
      <thead><tr><th scope="col">worker</th><th scope="col">state</th><th scope="col">pid</th><th scope="col">job for</th><th scope="col">up</th></tr></thead>
      <tbody>
        ${slots.slice(first, first + PAGE).map((slot) => {
          const worker = pool.workers[slot];
          const job = pool.longest.get(slot);
          return html`<tr key=${slot}>
            <th scope="row"><button class="plain link" onClick=${() => choose(slot)}>${pool.workerName(slot) ?? `place ${slot}`}</button></th>
            <td><span class=${`dot ${NAMES[pool.letter(slot)]}`}></span>${NAMES[pool.letter(slot)]}</td>
            <td>${worker?.pid || ''}</td>
            <td>${job ? duration(job.since / 1000) : ''}</td>
            <td>${worker ? duration(Math.max(0, now - worker.startedAt) / 1000) : ''}</td>
          </tr>`;
        })}
      </tbody>
    </table>
    ${slots.length === 0 && html`<p class="empty">No worker is shown by this filter.</p>`}
    ${
      pages > 1 &&
      html`<nav class="pages" aria-label="Pages">
      <button class="plain" disabled=${first === 0} onClick=${() => setPage(first / PAGE - 1)}>‹ before</button>
      <span class="muted">${first + 1}–${Math.min(first + PAGE, slots.length)} of ${slots.length}</span>
      <button class="plain" disabled=${first + PAGE >= slots.length} onClick=${() => setPage(first / PAGE + 1)}>next ›</button>
    </nav>`
    }
  </div>`;
}
