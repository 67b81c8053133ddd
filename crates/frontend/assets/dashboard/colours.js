// The colours of canvases, which come from the style sheet, so that light and dark are one place.

const NAMES = [
  'busy',
  'busy-bar',
  'idle',
  'starting',
  'stopping',
  'retiring',
  'empty',
  'death',
  'text',
  'muted',
  'line',
  'accent',
  'panel',
];

/** @type {Record<string, string> | undefined} */
let cached;

/** Returns the colours of the present theme. */
export function colours() {
  if (!cached) {
    // A variable is the text of both themes. Where it is used as a colour, it is that of the present one.
    const probe = document.createElement('span');
    document.documentElement.append(probe);
    cached = Object.fromEntries(NAMES.map((name) => [name, resolved(probe, name)]));
    probe.remove();
  }
  return cached;
}

/**
 * @param {HTMLElement} probe
 * @param {string} name
 */
function resolved(probe, name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** @param {string} colour as `rgb(1, 2, 3)` */
export function faint(colour) {
  return colour.replace(')', ', 0.13)');
}

/** Forgets them: the theme is another one. */
export function repaint() {
  cached = undefined;
  dispatchEvent(new Event('repaint'));
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
