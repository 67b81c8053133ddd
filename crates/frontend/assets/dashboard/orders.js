// Orders to the server: a button that asks for a second press, and a note with the call that was made.

import { ApiError, call, curl } from './api.js';
import { html, useEffect, useState } from './preact.js';
import { note } from './toast.js';

/** Milliseconds in which the second press counts. */
const SECOND_PRESS = 4000;

/**
 * Gives an order, and says what came of it.
 * @param {string} what as a sentence in the past: `Killed fib-3`
 * @param {string} method
 * @param {string} path
 * @param {{body?: string, type?: string, headers?: Record<string, string>}} [options]
 */
export async function order(what, method, path, options = {}) {
  const command = curl(method, path, options.body);
  try {
    const answer = await call(method, path, options);
    note(what, { command });
    return answer;
  } catch (error) {
    const text = error instanceof ApiError ? error.message : String(error);
    note(text, { command, isError: true });
    return undefined;
  }
}

/**
 * A button of an order. `confirm` is what it says before the second press; without it, one press is enough.
 * @param {{label: string, confirm?: string, run: () => Promise<any>, danger?: boolean, title?: string}} props
 */
export function Order({ label, confirm, run, danger = false, title }) {
  const [state, setState] = useState(/** @type {'ready' | 'asked' | 'runs'} */ ('ready'));
  useEffect(() => {
    if (state !== 'asked') return undefined;
    const timer = setTimeout(() => setState('ready'), SECOND_PRESS);
    return () => clearTimeout(timer);
  }, [state]);
  const press = async () => {
    if (confirm && state === 'ready') {
      setState('asked');
      return;
    }
    setState('runs');
    await run();
    setState('ready');
  };
  const text = { ready: label, asked: confirm, runs: '…' }[state];
  const kind = `order ${danger ? 'danger' : ''} ${state}`;
  return html`<button class=${kind} disabled=${state === 'runs'} onClick=${press} title=${title} aria-live="polite">
    ${text}
  </button>`;
}

/** The orders that there are. */
export const orders = {
  /** @param {string} worker */
  kill: (worker) => order(`Killed ${worker}`, 'DELETE', `/v1/workers/${encodeURIComponent(worker)}?how=kill`),
  /** @param {string} worker */
  retire: (worker) =>
    order(
      `${worker} retires after its job`,
      'DELETE',
      `/v1/workers/${encodeURIComponent(worker)}?how=retire`,
    ),
  /** @param {string} pool */
  pause: (pool) => order(`${pool} is paused`, 'POST', `/v1/pools/${encodeURIComponent(pool)}/pause`),
  /** @param {string} pool */
  resume: (pool) => order(`${pool} goes on`, 'POST', `/v1/pools/${encodeURIComponent(pool)}/resume`),
  /** @param {string} pool */
  reload: (pool) => order(`${pool} is reloaded`, 'POST', `/v1/pools/${encodeURIComponent(pool)}/reload`),
  /**
   * @param {string} pool
   * @param {{min_workers: number, max_workers: number}} size
   */
  resize: (pool, size) =>
    order(`${pool} is resized`, 'PATCH', `/v1/pools/${encodeURIComponent(pool)}`, {
      body: JSON.stringify(size),
      type: 'application/merge-patch+json',
    }),
  /** @param {string} job */
  cancel: (job) => order(`Cancelled the job ${job.slice(0, 8)}`, 'DELETE', `/v1/jobs/${job}`),
};
