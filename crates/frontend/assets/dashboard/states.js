// The states of a pool's workers: letters of the stream, their names, and the run-length text.

/** What each letter stands for. */
export const NAMES = {
  b: 'busy',
  i: 'idle',
  s: 'starting',
  x: 'stopping',
  r: 'retiring',
  '.': 'no worker',
  '?': 'unknown',
};

/**
 * Returns the letters of `b57i3x`, as their codes.
 * @param {string} text
 */
export function decode(text) {
  const runs = [...text.matchAll(/([a-z.?])(\d*)/g)];
  const codes = new Uint8Array(runs.reduce((sum, run) => sum + Number(run[2] || 1), 0));
  let at = 0;
  for (const [, letter, count] of runs) {
    const end = at + Number(count || 1);
    codes.fill(letter.charCodeAt(0), at, end);
    at = end;
  }
  return codes;
}
