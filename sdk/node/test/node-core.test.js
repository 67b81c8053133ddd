'use strict';
// Node's own tests of `worker_threads`, with threads and with processes, against the table in the guide.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { findSources, runFile, testFiles } = require('./node-core/run.js');
const { expected, markdown, source } = require('./node-core/table.js');

const GUIDE = path.join(__dirname, '..', '..', '..', 'docs', 'node.md');
const needsGuide = { skip: !fs.existsSync(GUIDE) && 'the guide is not here' };
const sources = findSources();
const needsSources = {
  skip: !sources && 'no tests of Node: run test/node-core/fetch.sh, or name a source tree in NODE_CORE',
};
const major = Number(process.versions.node.split('.')[0]);
/** Version of Node up to which the table says which files are for older ones. */
const NEWEST = 20;
/** Number of files that run at the same time. */
const AT_ONCE = 2;

test('the guide has the tables of node-core/table.json', needsGuide, () => {
  const guide = fs.readFileSync(GUIDE, 'utf8');
  const hint = 'put what `node test/node-core/table.js` prints into docs/node.md';
  assert.ok(guide.includes(`\n${markdown()}\n`), hint);
  assert.ok(guide.includes(source), source);
});

test("the table lists each of Node's test files", needsSources, () => {
  assert.deepEqual([...expected.keys()].sort(), testFiles(sources).sort());
});

test("Node's own tests", { ...needsSources, concurrency: AT_ONCE }, async (t) => {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  t.after(() => fs.rmSync(scratch, { recursive: true, force: true }));
  const run = async (name, register) => {
    const { passed, skipped, output } = await runFile(sources, name, { register, scratch });
    assert.ok(!skipped, `${name} ran nothing: ${output}`);
    return { passed, output };
  };
  const cases = [...expected].map(([name, { fails, unrun, until = Infinity }]) =>
    t.test(name, { skip: unrun ?? (major > until && `is for Node ${until} and older`) }, async (it) => {
      const threads = await run(name, false);
      if (!threads.passed && major > NEWEST) return it.skip('is for an older Node, and fails with threads');
      assert.ok(threads.passed, `fails with threads: ${threads.output}`);
      const processes = await run(name, true);
      if (fails) assert.ok(!processes.passed, `passes, and the table says that it ${fails}`);
      else assert.ok(processes.passed, `fails with processes: ${processes.output}`);
    }),
  );
  await Promise.all(cases);
});
