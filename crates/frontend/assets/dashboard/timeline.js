// The last minute: a row a worker, a bar while it is busy, a cross where one died, a line where something was changed.

import { prepare, useWidth } from './canvas.js';
import { colours } from './colours.js';
import { STEP, TRACE } from './model.js';
import { line } from './paint.js';
import { html, useEffect, useRef } from './preact.js';

const ROW = 11;
const MOST_ROWS = 40;
const LABEL = 92;
const AXIS = 16;
const MINUTE = 60_000;
const BUSY = 'b'.charCodeAt(0);
const NOBODY = '.'.charCodeAt(0);

/** @param {{pool: import('./model.js').Pool, model: import('./model.js').Model, choose: (slot: number) => void}} props */
export function Timeline({ pool, model, choose }) {
  const [box, width] = useWidth();
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const rows = rowsOf(pool, model);
  const height = rows.length * ROW + AXIS;
  useEffect(() => {
    if (!canvas.current || width <= LABEL) return;
    const context = prepare(canvas.current, width, height);
    context.clearRect(0, 0, width, height);
    const right = width - 2;
    const x = (ago) => right - (ago / MINUTE) * (right - LABEL);
    draw(context, pool, model, rows, x, height);
  });
  const pick = (event) => {
    const top = canvas.current?.getBoundingClientRect().top ?? 0;
    const slot = rows[Math.floor((event.clientY - top) / ROW)];
    if (slot !== undefined) choose(slot);
  };
  return html`<div class="timeline" ref=${box}>
    <canvas ref=${canvas} onClick=${pick} role="img" aria-label=${`The last minute of ${pool.name}, a row for each of ${rows.length} workers`}></canvas>
  </div>`;
}

/**
 * Returns the places that are shown: those of long jobs and of deaths first, then the lowest, in the order of places.
 * @param {import('./model.js').Pool} pool
 * @param {import('./model.js').Model} model
 */
function rowsOf(pool, model) {
  const recent = model.deaths.filter((it) => it.pool === pool.name && model.at - it.at < MINUTE);
  const rows = new Set([
    ...pool.longest.keys(),
    ...recent.map((it) => it.slot).filter((it) => typeof it === 'number'),
  ]);
  for (
    let slot = 0;
    rows.size < Math.min(MOST_ROWS, pool.states.length) && slot < pool.states.length;
    slot += 1
  ) {
    rows.add(slot);
  }
  return [...rows].slice(0, MOST_ROWS).toSorted((a, b) => a - b);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import('./model.js').Pool} pool
 * @param {import('./model.js').Model} model
 * @param {number[]} rows
 * @param {(ago: number) => number} x
 * @param {number} height
 */
function draw(context, pool, model, rows, x, height) {
  const colour = colours();
  context.font = '10px ui-monospace, SFMono-Regular, Menlo, monospace';
  context.textBaseline = 'middle';
  rows.forEach((slot, index) => {
    const y = index * ROW;
    context.fillStyle = colour.muted;
    context.fillText((pool.workerName(slot) ?? `place ${slot}`).slice(0, 14), 0, y + ROW / 2, LABEL - 8);
    context.fillStyle = colour.line;
    context.fillRect(x(MINUTE), y + ROW / 2, x(0) - x(MINUTE), 1);
    for (const run of runs(pool, slot)) {
      context.fillStyle = run.code === BUSY ? colour.busy : colour.starting;
      context.fillRect(
        x(run.from * STEP),
        y + 2,
        Math.max(1, x(run.to * STEP) - x(run.from * STEP)),
        ROW - 4,
      );
    }
  });
  for (const mark of model.marks.filter((it) => it.pool === pool.name && model.at - it.at < MINUTE)) {
    const at = x(model.at - mark.at);
    context.setLineDash([3, 3]);
    line(context, at, 0, at, height - AXIS, colour.accent, 1);
    context.setLineDash([]);
    context.fillStyle = colour.accent;
    context.textAlign = at > x(8000) ? 'right' : 'left';
    context.fillText(mark.what, at, height - AXIS / 2);
    context.textAlign = 'left';
  }
  for (const death of model.deaths.filter((it) => it.pool === pool.name && model.at - it.at < MINUTE)) {
    const row = rows.indexOf(death.slot ?? -1);
    if (row < 0) continue;
    const [at, y] = [x(model.at - death.at), row * ROW + ROW / 2];
    line(context, at - 4, y - 4, at + 4, y + 4, colour.death, 2);
    line(context, at + 4, y - 4, at - 4, y + 4, colour.death, 2);
  }
  context.fillStyle = colour.muted;
  context.fillText('60 s ago', x(MINUTE), height - AXIS / 2);
  context.textAlign = 'right';
  context.fillText('now', x(0), height - AXIS / 2);
  context.textAlign = 'left';
}

/**
 * Returns the runs of moments in which a worker was there and not idle, in moments before now.
 * @param {import('./model.js').Pool} pool
 * @param {number} slot
 */
function runs(pool, slot) {
  /** @type {{code: number, from: number, to: number}[]} */
  const found = [];
  for (let ago = pool.moments - 1; ago >= 0; ago -= 1) {
    const at = (pool.moment - ago) % TRACE;
    const code = pool.trace[slot * TRACE + at];
    if (code === 0 || code === NOBODY || code === 'i'.charCodeAt(0)) continue;
    const kind = code === BUSY ? BUSY : code;
    const last = found.at(-1);
    if (last && last.code === kind && last.to === ago + 1) last.to = ago;
    else found.push({ code: kind, from: ago + 1, to: ago });
  }
  return found;
}
