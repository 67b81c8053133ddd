// What a worker does now: its job, how far that is, how much of its time is left, and where the process waits.

import { count, duration, millis } from './format.js';
import { Facts } from './pane.js';
import { html } from './preact.js';

/**
 * @param {{job: {since: number, job: string} | undefined, details: any}} props `details` may be of a second ago
 */
export function Now({ job, details }) {
  const { progress, limit } = details ?? {};
  const since = job?.since ?? details?.job_ms;
  return html`<${Facts}
    rows=${[
      ['job', html`<code>${job?.job ?? details?.job ?? '…'}</code>`],
      ['for', since !== undefined && since !== null && duration(since / 1000)],
      ['progress', progress && html`<${Progress} done=${progress.done} total=${progress.total} />`],
      ['time left', limit && html`<${Left} limit=${limit} />`],
    ]}
  />`;
}

/** @param {{done: number, total: number | undefined}} props */
function Progress({ done, total }) {
  if (!total) return html`${count(done)} done`;
  const part = Math.min(1, done / total);
  return html`<span class="gauge">${Math.floor(part * 100)} %<span class="muted">${count(done)} of ${count(total)}</span></span>
    <meter min="0" max="1" value=${part} aria-label="part of the job that is done"></meter>`;
}

/** @param {{limit: {limit_ms: number, remaining_ms: number}}} props */
function Left({ limit: { limit_ms, remaining_ms } }) {
  const part = limit_ms > 0 ? 1 - remaining_ms / limit_ms : 1;
  const text = remaining_ms > 0 ? millis(remaining_ms) : 'none: it is being ended';
  return html`<span class="gauge">${text}<span class="muted">of ${millis(limit_ms)}</span></span>
    <meter class=${part > 0.8 ? 'high' : ''} min="0" max="1" value=${part} aria-label="part of its time that is spent"></meter>`;
}

/** @param {{activity: any}} props as the server describes it */
export function Activity({ activity }) {
  if (!activity) return null;
  if (activity.state === 'unknown') return html`<p class="muted note">${activity.note}</p>`;
  return html`<${Facts} rows=${[['process', doing(activity)]]} />`;
}

/** @param {any} activity */
function doing({ state, syscall, wchan }) {
  if (state === 'running') return 'on a processor';
  const where = syscall ? html`blocked in <code>${syscall}</code>` : 'blocked';
  return html`<span>${where} ${wchan && html`<span class="muted">${wchan}</span>`}</span>`;
}
