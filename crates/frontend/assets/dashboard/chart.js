// The last minutes of a pool as a plot: jobs a second, and jobs that wait. Marks are lines in it.

import { useWidth } from './canvas.js';
import { colours, faint } from './colours.js';
import { html, useEffect, useRef } from './preact.js';

const HEIGHT = 96;

/** @param {{pool: import('./model.js').Pool, model: import('./model.js').Model}} props */
export function Chart({ pool, model }) {
  const [box, width] = useWidth();
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (undefined));
  const marks = useRef(/** @type {import('./model.js').Mark[]} */ ([]));
  marks.current = model.marks.filter((it) => it.pool === pool.name);
  const { t, rate, queued } = pool.history;

  useEffect(() => {
    if (width < 80) return undefined;
    const build = () => {
      plot.current?.destroy();
      plot.current = new globalThis.uPlot(options(width, marks), data(), place.current);
    };
    const data = () => [t, rate, queued];
    build();
    addEventListener('repaint', build);
    return () => {
      removeEventListener('repaint', build);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [width, pool]);
  const last = t.at(-1);
  useEffect(() => plot.current?.setData([t, rate, queued]), [last]);
  return html`<div class="chart" ref=${box} role="img" aria-label=${`Jobs a second and jobs that wait in ${pool.name}, over the last minutes`}>
    <div ref=${place}></div>
  </div>`;
}

/** @param {number} seconds */
function ago(seconds) {
  return seconds < 60 ? `-${Math.round(seconds)}s` : `-${(seconds / 60).toFixed(1).replace('.0', '')}m`;
}

/**
 * @param {number} width
 * @param {{current: import('./model.js').Mark[]}} marks
 */
function options(width, marks) {
  const colour = colours();
  const axis = {
    stroke: colour.muted,
    grid: { stroke: colour.line, width: 1 },
    ticks: { show: false },
    font: '10px ui-monospace, monospace',
  };
  return {
    width,
    height: HEIGHT,
    padding: [6, 2, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: (_, min, max) => [Math.min(max - 60, Math.max(min, max - 300)), max] },
      y: { range: (_, __, max) => [0, Math.max(1, max * 1.15)] },
      queue: { range: (_, __, max) => [0, Math.max(4, max * 1.15)] },
    },
    axes: [
      {
        ...axis,
        size: 18,
        gap: 2,
        space: 60,
        values: (plot, ticks) => ticks.map((it) => ago(plot.scales.x.max - it)),
      },
      { ...axis, size: 38, gap: 4, space: 28 },
    ],
    series: [
      {},
      { stroke: colour.busy, fill: faint(colour.busy), width: 1.5, points: { show: false } },
      { stroke: colour.starting, width: 1.25, dash: [4, 3], scale: 'queue', points: { show: false } },
    ],
    hooks: {
      draw: [
        (plot) => {
          const { ctx, bbox } = plot;
          ctx.save();
          ctx.strokeStyle = colour.accent;
          ctx.setLineDash([4, 4]);
          for (const mark of marks.current) {
            const x = plot.valToPos(mark.at / 1000, 'x', true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
          }
          ctx.restore();
        },
      ],
    },
  };
}
