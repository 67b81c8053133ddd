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
    const style = getComputedStyle(document.documentElement);
    cached = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return cached;
}

/** Forgets them: the theme is another one. */
export function repaint() {
  cached = undefined;
  dispatchEvent(new Event('repaint'));
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
