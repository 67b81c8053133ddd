// The deaths that the page heard of and those that the server remembers, as one list. Pure.

/**
 * @param {import('./model.js').Death[]} heard the newest first
 * @param {any[]} kept the newest first, as the server lists them
 * @returns {import('./model.js').Death[]} the newest first, each worker once
 */
export function remembered(heard, kept) {
  /** @type {Map<string, import('./model.js').Death>} */
  const deaths = new Map();
  const told = Math.max(0, ...kept.map((it) => Date.parse(it.time) || 0));
  for (const death of heard) {
    // Many at once count until the server has told of each.
    if (!death.count) deaths.set(death.worker, death);
    else if (death.at > told) deaths.set(`${death.worker} ${death.group} ${death.at}`, death);
  }
  for (const death of kept) {
    const { worker } = death;
    const at = Date.parse(death.time) || 0;
    deaths.set(worker, { slot: null, ...deaths.get(worker), ...death, worker, at });
  }
  return [...deaths.values()].toSorted((a, b) => b.at - a.at);
}
