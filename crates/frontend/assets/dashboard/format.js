// Numbers, times and sizes as a person reads them.

/** @param {number} value */
export function count(value) {
  if (value >= 999_500) return `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)} M`;
  if (value >= 9_950) return `${(value / 1e3).toFixed(value < 99_500 ? 1 : 0)} k`;
  return Math.round(value).toLocaleString('en');
}

/** @param {number} value a second */
export function rate(value) {
  return value > 0 && value < 9.95 ? value.toFixed(1) : count(value);
}

/** @param {number | undefined} us microseconds */
export function micros(us) {
  if (us === undefined) return '–';
  if (us === 0) return '0';
  if (us < 1000) return `${us} µs`;
  return millis(us / 1000);
}

/** @param {number} ms */
export function millis(ms) {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return duration(ms / 1000);
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** @param {number} value */
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** @param {number} at milliseconds since the epoch */
export function clock(at) {
  return new Date(at).toLocaleTimeString('en-GB');
}

/**
 * @param {number} at
 * @param {number} now
 */
export function ago(at, now) {
  const seconds = Math.max(0, (now - at) / 1000);
  return seconds < 2 ? 'now' : `${duration(Math.floor(seconds)).replace(/\.0/, '')} ago`;
}
