// The keys of the page, and what the shapes mean.

import { prepare } from './canvas.js';
import { colours } from './colours.js';
import { paint } from './paint.js';
import { Pane, Part } from './pane.js';
import { html, useEffect, useRef } from './preact.js';
import { NAMES } from './states.js';

const KEYS = [
  ['/', 'find: pool:fib state:busy age:<1h'],
  ['Tab', 'go to a pool'],
  ['← ↑ → ↓', 'move over its workers'],
  ['Enter', 'open a worker'],
  ['s', 'take its stack'],
  ['r r', 'retire it, with a second press'],
  ['k k', 'kill it, with a second press'],
  ['Esc', 'close'],
  ['?', 'this'],
];

/** @param {{close: () => void}} props */
export function HelpPane({ close }) {
  return html`<${Pane} title="Keys and shapes" close=${close}>
    <${Part} title="Keys"><dl class="keys">${KEYS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl><//>
    <${Part} title="A worker">
      <ul class="shapes">
        ${Object.entries(NAMES)
          .filter(([letter]) => letter !== '?')
          .map(([letter, name]) => html`<li><${Shape} letter=${letter} /> ${name}</li>`)}
        <li><${Shape} letter="b" since=${20_000} /> busy for long: the bar grows from 10 ms to 10 minutes</li>
        <li><${Shape} letter="i" isOld /> of an older executable</li>
        <li><${Shape} letter="s" died=${1} /> one died here in the last 10 seconds</li>
      </ul>
    <//>
    <${Part} title="The same in a terminal"><p class="muted"><code>procpool top</code></p><//>
  <//>`;
}

/** @param {{letter: string, since?: number, isOld?: boolean, died?: number}} props */
function Shape({ letter, since, isOld = false, died = 0 }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    if (canvas.current)
      paint(
        prepare(canvas.current, 18, 18),
        1,
        1,
        16,
        { letter, since, isOld, died, isDim: false },
        colours(),
      );
  });
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas>`;
}
