// Deaths in groups of one signature. Pure.

/** @param {import('./model.js').Death[]} deaths the newest first */
export function grouped(deaths) {
  /** @type {Map<string, {newest: import('./model.js').Death, count: number, of: Set<string>}>} */
  const groups = new Map();
  for (const death of deaths) {
    const key = `${death.pool}\n${death.group ?? death.worker}`;
    const group = groups.get(key) ?? { newest: death, count: 0, of: new Set() };
    group.count += death.count ?? 1;
    if (death.payload?.fingerprint) group.of.add(death.payload.fingerprint);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ newest, count, of }) => ({ newest, count, payloads: of.size }));
}

/** @param {import('./model.js').Death} death */
export function title(death) {
  return death.signature ?? death.signal_name ?? death.cause ?? 'a worker is gone';
}
