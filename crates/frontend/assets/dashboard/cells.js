// The cells of a pool: one for each place of a worker. Only cells that change are drawn.

import { prepare, useWidth } from './canvas.js';
import { colours } from './colours.js';
import { showsWorker } from './find.js';
import { grid } from './grid.js';
import { FADE } from './model.js';
import { paint } from './paint.js';
import { html, useEffect, useRef, useState } from './preact.js';
import { NAMES } from './states.js';

const KEYS = { ArrowLeft: -1, ArrowRight: 1, Home: Number.NEGATIVE_INFINITY, End: Number.POSITIVE_INFINITY };

/**
 * @param {{pool: import('./model.js').Pool, now: number, filter: import('./find.js').Filter, chosen: number | undefined,
 *   choose: (slot: number | undefined) => void, act: (key: string, slot: number) => void}} props
 */
export function Cells({ pool, now, filter, chosen, choose, act }) {
  const [box, width] = useWidth();
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const drawn = useRef({ key: '', cells: /** @type {string[]} */ ([]) });
  const [at, setAt] = useState(/** @type {number | undefined} */ (undefined));
  const [hasFocus, setFocus] = useState(false);
  const [theme, setTheme] = useState(0);
  const places = pool.states.length;
  const layout = grid(width, places);

  useEffect(() => {
    const again = () => setTheme((it) => it + 1);
    addEventListener('repaint', again);
    return () => removeEventListener('repaint', again);
  }, []);

  useEffect(() => {
    if (!canvas.current || width === 0) return;
    const context = prepare(canvas.current, layout.width, layout.height);
    const key = `${layout.width} ${places} ${theme} ${devicePixelRatio}`;
    if (drawn.current.key !== key) {
      context.clearRect(0, 0, layout.width, layout.height);
      drawn.current = { key, cells: [] };
    }
    const colour = colours();
    for (let slot = 0; slot < places; slot += 1) {
      const cell = cellOf(pool, slot, now, filter);
      const isMarked = slot === chosen || (hasFocus && slot === at);
      const text = `${cell.letter}${cell.died.toFixed(1)}${bar(cell.since)}${cell.isOld}${cell.isDim}${isMarked}`;
      if (drawn.current.cells[slot] === text) continue;
      drawn.current.cells[slot] = text;
      const { x, y } = layout.at(slot);
      const { side, edge } = layout;
      context.clearRect(x - edge, y - edge, side + 2 * edge, side + 2 * edge);
      paint(context, x, y, side, cell, colour);
      if (isMarked) {
        context.strokeStyle = colour.text;
        context.lineWidth = 1.5;
        context.strokeRect(x - edge + 0.75, y - edge + 0.75, side + 2 * edge - 1.5, side + 2 * edge - 1.5);
      }
    }
  });

  const hovered = at === undefined ? undefined : describe(pool, at, now);
  const slotUnder = (event) => {
    const area = canvas.current?.getBoundingClientRect();
    return area && layout.slotAt(event.clientX - area.left, event.clientY - area.top);
  };
  const focus = () => {
    setFocus(true);
    if (at === undefined) setAt(0);
  };
  const press = (event) => {
    const slot = at ?? 0;
    const step = { ...KEYS, ArrowUp: -layout.columns, ArrowDown: layout.columns }[event.key];
    if (step !== undefined) {
      setAt(Math.min(places - 1, Math.max(0, slot + step)));
    } else if (event.key === 'Enter' || event.key === ' ') {
      choose(slot);
    } else if (['k', 's', 'r'].includes(event.key) && !event.ctrlKey && !event.metaKey) {
      act(event.key, slot);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="cells" ref=${box}>
    <canvas
      ref=${canvas}
      tabindex="0"
      role="application"
      aria-roledescription="grid of workers"
      aria-label=${`Workers of ${pool.name}: ${summary(pool)}. Arrow keys move, Enter opens.`}
      data-pool=${pool.name}
      onKeyDown=${press}
      onFocus=${focus}
      onBlur=${() => setFocus(false)}
      onMouseMove=${(event) => setAt(slotUnder(event))}
      onMouseLeave=${() => !hasFocus && setAt(undefined)}
      onClick=${(event) => choose(slotUnder(event))}
    ></canvas>
    <div class="hover" aria-live=${hasFocus ? 'polite' : 'off'}>${hovered ?? html`<span class="muted">${summary(pool)}</span>`}</div>
  </div>`;
}

/** @param {number | undefined} since */
function bar(since) {
  return since === undefined ? '-' : Math.round(Math.log10(Math.max(since, 10)) * 8);
}

/**
 * @param {import('./model.js').Pool} pool
 * @param {number} slot
 * @param {number} now
 * @param {import('./find.js').Filter} filter
 */
function cellOf(pool, slot, now, filter) {
  const letter = pool.letter(slot);
  const died = Math.max(0, 1 - (now - (pool.diedAt.get(slot) ?? Number.NEGATIVE_INFINITY)) / FADE);
  const generation = pool.workers[slot]?.generation ?? 0;
  return {
    letter,
    died,
    since: letter === 'b' ? pool.longest.get(slot)?.since : undefined,
    isOld: pool.cfg !== undefined && generation < pool.cfg.generation,
    isDim: !showsWorker(filter, letter, NAMES[letter], pool.workerName(slot)),
  };
}

/**
 * @param {import('./model.js').Pool} pool
 * @param {number} slot
 * @param {number} now
 */
function describe(pool, slot, now) {
  const letter = pool.letter(slot);
  const [name, worker] = [pool.workerName(slot), pool.workers[slot]];
  if (letter === '.' || !name) return `place ${slot}: no worker`;
  const job = pool.longest.get(slot);
  const busy = job && letter === 'b' ? ` for ${(job.since / 1000).toFixed(1)} s` : '';
  const died = pool.diedAt.has(slot)
    ? `, another died here ${Math.round((now - pool.diedAt.get(slot)) / 1000)} s ago`
    : '';
  return `${name} · pid ${worker?.pid || '?'} · ${NAMES[letter]}${busy}${died}`;
}

/** @param {import('./model.js').Pool} pool */
export function summary(pool) {
  const parts = Object.entries(pool.counts).filter(([, count]) => count > 0);
  return parts.map(([letter, count]) => `${count} ${NAMES[letter]}`).join(' · ') || 'no workers';
}
