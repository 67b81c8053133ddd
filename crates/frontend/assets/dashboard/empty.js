// The page without workers to show: while it waits, where the server has no pools, and when the filter shows none.

import { html } from './preact.js';

/** @param {{connection: string}} props */
export function Waiting({ connection }) {
  const text = {
    connecting: 'Looking at the pools …',
    live: 'Looking at the pools …',
    lost: 'The server does not answer. The page tries again by itself.',
    draining: 'The server drains: it ends its jobs, and then itself.',
    paused: 'Paused while nobody looks.',
  }[connection];
  return html`<div class="whole" role="status">
    <div class="skeleton" aria-hidden="true">${Array.from({ length: 24 }, () => html`<span></span>`)}</div>
    <p>${text}</p>
  </div>`;
}

/** @param {{hasFilter: boolean, hasHosts: boolean, clear: () => void}} props */
export function NoPools({ hasFilter, hasHosts, clear }) {
  if (hasHosts && !hasFilter)
    return html`<div class="whole"><p>This server has no workers. Its pools run on the hosts of its cluster.</p></div>`;
  return html`<div class="whole">
    ${
      hasFilter
        ? html`<p>No pool is shown by this filter.</p><button class="order" onClick=${clear}>Clear the filter</button>`
        : html`<p>This server has no pools that you may see.</p><p class="muted">A pool is a section of the configuration:</p><pre>[pools.fib]
worker = "procpool-fib"</pre>`
    }
  </div>`;
}
