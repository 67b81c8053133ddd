'use strict';
// What holds of `worker_threads` when workers are processes, and which of Node's test files show it: `table.json`.
//
// A file `passes`, `fails` for a reason, or is `unrun` for one. With `until`, it passes up to that version of Node,
// and later no longer with threads either. `node table.js` prints the tables of docs/node.md.

const { parts, source } = require('./table.json');

/** The files with what is expected of them: `{ passes }`, `{ fails }`, `{ unrun }` or `{ until }`. */
const expected = new Map(
  parts.flatMap(({ files }) =>
    Object.entries(files).map(([name, how]) => [name, how === 'passes' ? { passes: true } : how]),
  ),
);

const doesPass = (how) => how === 'passes' || how.until !== undefined;

/** Returns the tables of docs/node.md. */
function markdown() {
  const lines = ["| part of `worker_threads` | holds | Node's test files that pass |", '| --- | --- | --- |'];
  for (const { part, holds, files } of parts) {
    const all = Object.values(files);
    lines.push(`| ${part} | ${holds} | ${all.filter(doesPass).length} of ${all.length} |`);
  }
  lines.push('', '| the file | test files that do not pass |', '| --- | --- |');
  const reasons = [...expected.values()].map(({ fails, unrun }) => fails ?? unrun).filter(Boolean);
  for (const reason of [...new Set(reasons)].sort()) {
    lines.push(`| ${reason} | ${reasons.filter((other) => other === reason).length} |`);
  }
  return lines.join('\n');
}

module.exports = { expected, markdown, source };

if (require.main === module) console.log(markdown());
