// The hosts of a cluster in numbers and words. Pure.

/**
 * @typedef {{node: string, host: string, pid: number, version: string, state: string, seen_ms: number,
 *   slots: Record<string, number>, held: number, told: number, late: number, fenced: number}} Host
 */

/**
 * Returns a line about all hosts.
 * @param {Host[]} hosts
 */
export function summary(hosts) {
  const up = hosts.filter((it) => it.state === 'up');
  const gone = hosts.filter((it) => it.state === 'gone').length;
  const slots = up.flatMap((it) => Object.values(it.slots)).reduce((all, it) => all + it, 0);
  const held = up.reduce((all, it) => all + it.held, 0);
  const running = up.length > 0 ? `, ${held} of ${slots} jobs at a time` : '';
  return `${up.length} up${gone > 0 ? `, ${gone} gone` : ''}${running}`;
}

/**
 * Returns the slots of a host, by pool.
 * @param {Host} host
 */
export function slots(host) {
  return Object.entries(host.slots)
    .map(([pool, slots]) => `${pool}: ${slots}`)
    .join(', ');
}

/**
 * Returns the number of jobs that a host has. One that is gone has none: others have them, or decide about them.
 * @param {Host} host
 */
export function running(host) {
  return host.state === 'up' ? String(host.held) : '–';
}
