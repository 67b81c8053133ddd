// The top line: the connection, five numbers, the filter, and who looks.

import { count, micros, rate } from './format.js';
import { html, useEffect, useRef } from './preact.js';

const CONNECTION = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost',
  draining: 'the server drains',
  paused: 'paused',
};

/**
 * @param {{model: import('./model.js').Model, deaths: number, connection: keyof typeof CONNECTION, find: string,
 *   setFind: (text: string) => void, unknown: string[], session: import('./session.js').Session | undefined,
 *   signIn: () => void, signOut: () => void, help: () => void, turn: () => void}} props
 */
export function Header({
  model,
  deaths,
  connection,
  find,
  setFind,
  unknown,
  session,
  signIn,
  signOut,
  help,
  turn,
}) {
  const pools = [...model.pools.values()];
  const sum = (of) => pools.reduce((all, pool) => all + of(pool), 0);
  const busy = sum((pool) => pool.counts.b);
  const workers = sum((pool) => Object.values(pool.counts).reduce((a, b) => a + b, 0));
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    const focus = () => field.current?.focus();
    addEventListener('find', focus);
    return () => removeEventListener('find', focus);
  }, []);
  const press = (event) => {
    if (event.key !== 'Escape') return;
    setFind('');
    event.target.blur();
  };
  return html`<header class="top">
    <div class="brand"><img src="/dashboard/icon.svg" alt="" width="22" height="22" /><h1>procpool</h1></div>
    <span class=${`connection ${connection}`} role="status"><span class="pulse" aria-hidden="true"></span>${CONNECTION[connection]}</span>
    <dl class="totals">
      <div><dt>jobs / s</dt><dd>${rate(sum((pool) => pool.rate))}</dd></div>
      <div><dt>wait p99</dt><dd>${micros(worst(pools.flatMap((pool) => pool.wait?.[1] ?? [])))}</dd></div>
      <div><dt>busy</dt><dd>${count(busy)}<span class="muted"> / ${count(workers)}</span></dd></div>
      <div><dt>queued</dt><dd>${count(sum((pool) => pool.queued))}</dd></div>
      <div><dt>deaths, last hour</dt><dd class=${deaths > 0 ? 'bad' : ''}>${count(deaths)}</dd></div>
    </dl>
    <div class="tools">
      <label class="find">
        <span class="hidden">Find</span>
        <input ref=${field} type="search" placeholder="Find, as pool:fib state:busy" value=${find} onInput=${(event) => setFind(event.target.value)} onKeyDown=${press} aria-describedby="find-problem" />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <span id="find-problem" class="hidden" role="status">${unknown.length > 0 ? `there is no ${unknown.join(', ')}` : ''}</span>
      <button class="plain" onClick=${turn} aria-label="Light or dark" title="Light or dark">◐</button>
      <button class="plain" onClick=${help} aria-label="Keys and shapes" title="Keys and shapes">?</button>
      ${
        session?.signed_in
          ? html`<button class="plain" onClick=${signOut} title=${`May: ${session.scopes.join(', ')}`}>${session.name} · sign out</button>`
          : session?.needs_token && html`<button class="plain" onClick=${signIn}>sign in</button>`
      }
    </div>
  </header>`;
}

/** @param {number[]} times */
function worst(times) {
  return times.length === 0 ? undefined : Math.max(...times);
}
