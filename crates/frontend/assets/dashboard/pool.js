// The panel of a pool: its workers, its figures, and the orders that one may give.

import { Cells } from './cells.js';
import { Chart } from './chart.js';
import { count, micros, millis, rate } from './format.js';
import { MOST } from './grid.js';
import { Order, orders } from './orders.js';
import { html, useState } from './preact.js';
import { Table } from './table.js';
import { Timeline } from './timeline.js';

/** Up to this number of places, the last minute is shown below the cells. */
const FEW = 16;

/**
 * @typedef {{model: import('./model.js').Model, filter: import('./find.js').Filter, may: (scope: string) => boolean,
 *   chosen: {pool: string, slot: number} | undefined, choose: (pool: string, slot: number | undefined) => void,
 *   act: (key: string, pool: string, slot: number) => void, runJob: (pool: string) => void}} Shared
 * @param {Shared & {pool: import('./model.js').Pool}} props
 */
export function PoolPanel({ pool, model, filter, may, chosen, choose, act, runJob }) {
  const [view, setView] = useState(/** @type {'cells' | 'table' | 'timeline'} */ ('cells'));
  const shown = pool.states.length > MOST ? 'table' : view;
  const slot = chosen?.pool === pool.name ? chosen.slot : undefined;
  const tab = (name, label) =>
    html`<button class="tab" aria-pressed=${shown === name} onClick=${() => setView(name)}>${label}</button>`;
  return html`<section class="panel pool" aria-labelledby=${`pool-${pool.name}`} data-pool=${pool.name}>
    <header>
      <h2 id=${`pool-${pool.name}`}>${pool.name}</h2>
      <${Badges} pool=${pool} />
      <div class="tabs" role="group" aria-label="View">${tab('cells', 'Workers')}${pool.states.length > FEW && tab('timeline', 'Timeline')}${tab('table', 'Table')}</div>
      <div class="actions">
        ${may('submit') && html`<button class="order" onClick=${() => runJob(pool.name)}>Run a job</button>`}
        ${may('operate') && html`<${PoolOrders} pool=${pool} />`}
      </div>
    </header>
    <div class="pool-body">
      <div class="workers">
        ${shown === 'cells' && html`<${Cells} pool=${pool} now=${model.at} filter=${filter} chosen=${slot} choose=${(it) => choose(pool.name, it)} act=${(key, it) => act(key, pool.name, it)} />`}
        ${shown === 'cells' && pool.states.length <= FEW && html`<${Timeline} pool=${pool} model=${model} choose=${(it) => choose(pool.name, it)} />`}
        ${shown === 'timeline' && html`<${Timeline} pool=${pool} model=${model} choose=${(it) => choose(pool.name, it)} />`}
        ${shown === 'table' && html`<${Table} pool=${pool} now=${model.at} filter=${filter} choose=${(it) => choose(pool.name, it)} />`}
      </div>
      <${Figures} pool=${pool} model=${model} />
    </div>
  </section>`;
}

/** @param {{pool: import('./model.js').Pool}} props */
function Badges({ pool }) {
  const { cfg } = pool;
  if (!cfg) return null;
  const badges = [
    cfg.paused && ['warn', 'paused'],
    cfg.draining && ['warn', 'draining'],
    cfg.reloading && ['info', 'reloading'],
    cfg.breaker_open && ['bad', 'breaker open'],
  ].filter((it) => Array.isArray(it));
  return html`<span class="badges">
    ${badges.map(([kind, text]) => html`<span class=${`badge ${kind}`}>${text}</span>`)}
    ${cfg.generation > 0 && html`<span class="badge" title="generation of the executable">gen ${cfg.generation}</span>`}
  </span>`;
}

/** @param {{pool: import('./model.js').Pool}} props */
function PoolOrders({ pool }) {
  const [isResizing, setResizing] = useState(false);
  const { cfg, name } = pool;
  if (isResizing && cfg) return html`<${Resize} pool=${name} cfg=${cfg} done=${() => setResizing(false)} />`;
  const isHeld = cfg?.paused || cfg?.draining;
  return html`
    ${
      isHeld
        ? html`<${Order} label="Resume" run=${() => orders.resume(name)} />`
        : html`<${Order} label="Pause" confirm="Pause it?" run=${() => orders.pause(name)} />`
    }
    <button class="order" onClick=${() => setResizing(true)}>Resize</button>
    <${Order} label="Reload" confirm="Reload it?" run=${() => orders.reload(name)} title="Starts the executable that is in place now, one worker at a time" />
  `;
}

/** @param {{pool: string, cfg: import('./model.js').Configuration, done: () => void}} props */
function Resize({ pool, cfg, done }) {
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const [min, max] = ['min', 'max'].map((name) => Number(form.get(name)));
    if (await orders.resize(pool, { min_workers: min, max_workers: max })) done();
  };
  return html`<form class="resize" onSubmit=${submit} onKeyDown=${(event) => event.key === 'Escape' && done()}>
    <label>min <input name="min" type="number" min="0" max="4096" value=${cfg.min} required /></label>
    <label>max <input name="max" type="number" min="1" max="4096" value=${cfg.max} required autofocus /></label>
    <button class="order primary">Resize</button>
    <button type="button" class="plain" onClick=${done}>Cancel</button>
  </form>`;
}

/** @param {{pool: import('./model.js').Pool, model: import('./model.js').Model}} props */
function Figures({ pool, model }) {
  const limit = pool.cfg?.queue ?? 0;
  const part = limit > 0 ? Math.min(1, pool.queued / limit) : 0;
  return html`<div class="figures">
    <dl>
      <div><dt>jobs / s</dt><dd>${rate(pool.rate)}</dd></div>
      <div>
        <dt>queue</dt>
        <dd>
          ${count(pool.queued)}<span class="muted"> / ${count(limit)}</span>
          ${pool.oldest !== undefined && html`<span class="muted oldest">oldest ${millis(pool.oldest)}</span>`}
          <meter class=${part > 0.8 ? 'high' : ''} min="0" max="1" value=${part} aria-label="part of the queue in use"></meter>
        </dd>
      </div>
      <div><dt>run p50 / p99</dt><dd title="of the last ten seconds">${micros(pool.run?.[0])}<span class="muted"> / </span>${micros(pool.run?.[1])}</dd></div>
      <div><dt>wait p99</dt><dd title="of the last ten seconds">${micros(pool.wait?.[1])}</dd></div>
      <div><dt>failed</dt><dd class=${pool.totals.failed > 0 ? 'some' : ''}>${count(pool.totals.failed)}</dd></div>
      <div><dt>deaths</dt><dd class=${pool.totals.deaths > 0 ? 'bad' : ''}>${count(pool.totals.deaths)}</dd></div>
    </dl>
    <${Chart} pool=${pool} model=${model} />
    <p class="legend muted"><span class="key busy"></span>jobs a second <span class="key waiting"></span>waiting</p>
  </div>`;
}
