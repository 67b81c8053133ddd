// The parts of the dashboard that decide something, without a browser: node --test page.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(`../../crates/frontend/assets/dashboard/${name}.js`);
const { decode } = await page("states");
const { Model, FADE, STEP, TRACE } = await page("model");
const { parse, showsDeath, showsPool, showsWorker } = await page("find");
const { example } = await page("example");
const { grid, fill } = await page("grid");
const { grouped } = await page("groups");
const { remembered } = await page("remembered");
const { running, slots, summary } = await page("nodes");

const tick = (t, fib) => ({ t, pools: { fib: { s: "", q: 0, run: 0, d: [0, 0, 0, 0], w: [0, 0], r: [0, 0], ...fib } } });

test("states are letters with their number, if that is not one", () => {
  assert.equal(String.fromCharCode(...decode("b3i.2x")), "bbbi..x");
  assert.equal(decode("").length, 0);
  assert.equal(decode("b4096").length, 4096);
});

test("a snapshot and its ticks make up the pools", () => {
  const model = new Model();
  model.apply("snapshot", tick(1000, { s: "bi", new: [[0, 7, 70, 0, 500], [1, 8, 80, 0, 500]], long: [[0, 250, "feed"]] }));
  const fib = model.pools.get("fib");
  assert.deepEqual([fib.workerName(0), fib.letter(1), fib.workers[0].startedAt], ["fib-7", "i", 500]);
  assert.deepEqual(fib.longest.get(0), { since: 250, job: "feed" });
  model.apply("death", { t: 1100, pool: "fib", slot: 0, worker: "fib-7" });
  model.apply("tick", tick(1250, { s: "si", new: [[0, 9, 0, 0, 0]], d: [10, 0, 0, 1] }));
  assert.deepEqual([fib.workerName(0), fib.diedAt.get(0), fib.longest.size], ["fib-9", 1100, 0]);
  assert.equal(fib.rate, 40);
  model.apply("tick", tick(1101 + FADE, { s: "si" }));
  assert.equal(fib.diedAt.size, 0);
  model.apply("tick", { t: 12_000, pools: {} });
  assert.equal(model.pools.size, 0);
});

test("a tick tells of the last seconds, and leaves out what there is not", () => {
  const model = new Model();
  model.apply("snapshot", tick(1000, { s: "b", old: 1200, r: [20, 900], w: undefined }));
  const fib = model.pools.get("fib");
  assert.deepEqual([fib.oldest, fib.run, fib.wait], [1200, [20, 900], undefined]);
  model.apply("tick", tick(1250, { s: "i", r: undefined, w: undefined }));
  assert.deepEqual([fib.oldest, fib.run], [undefined, undefined]);
});

test("the last minute is one of time, however often ticks come", () => {
  const model = new Model();
  model.apply("snapshot", tick(10_000, { s: "i" }));
  const fib = model.pools.get("fib");
  const last = (count) => Array.from({ length: count }, (_, ago) => String.fromCharCode(fib.trace[(fib.moment - ago) % TRACE])).join("");
  model.apply("tick", tick(10_000 + STEP, { s: "b" }));
  model.apply("tick", tick(10_000 + STEP + 20, { s: "s" }));
  assert.deepEqual([last(2), fib.moments], ["si", 2]);
  model.apply("tick", tick(10_000 + 5 * STEP, { s: "x" }));
  assert.deepEqual([last(6), fib.moments], ["xxxxsi", 6]);
  model.apply("tick", tick(10_000 + 5 * STEP + 120_000, { s: "r" }));
  assert.deepEqual([last(1), fib.moments], ["r", 1]);
  model.apply("tick", tick(9_000, { s: "b" }));
  assert.deepEqual([last(1), fib.moments], ["b", 1]);
});

test("a storm of deaths is one line, until the server has told of each", () => {
  const model = new Model();
  model.apply("snapshot", tick(1000, { s: "b3" }));
  model.apply("deaths", { t: 2000, pool: "fib", n: 37, slots: [0, 2], group: "a", cause: "crashed" });
  const { diedAt } = model.pools.get("fib");
  assert.deepEqual([[...diedAt.keys()], model.diedAt], [[0, 2], 2000]);
  const [group] = grouped(remembered(model.deaths, []));
  assert.equal(group.count, 37);
  const kept = [{ id: 5, time: "1970-01-01T00:00:02Z", pool: "fib", worker: "fib-7", group: "a" }];
  assert.deepEqual(remembered(model.deaths, kept).map((it) => it.worker), ["fib-7"]);
});

test("what is kept is bounded", () => {
  const model = new Model();
  for (let at = 0; at < 1000; at += 1) {
    model.apply("death", { t: at, pool: "fib", slot: 0, worker: `fib-${at}` });
    model.apply("mark", { t: at, pool: "fib", what: "reload" });
    model.apply("tick", tick(at * 1000, { s: "b" }));
  }
  assert.ok(model.deaths.length <= 200 && model.marks.length <= 200);
  assert.equal(model.deaths[0].worker, "fib-999");
  assert.ok(model.pools.get("fib").history.t.length <= 300);
});

test("seconds before the page come before its own", () => {
  const model = new Model();
  model.apply("snapshot", tick(102_000, { s: "b" }));
  model.recall("fib", { start: 100, finished: [1, null, 3], queued: [0, null, 2], busy: [1, 1, 1], run_p99_us: [1000, null, 3000] });
  const { t, rate } = model.pools.get("fib").history;
  assert.deepEqual([t, rate], [[100, 101, 102], [1, null, 0]]);
});

test("a filter shows what has all of its words", () => {
  const filter = parse("pool:f* state:bu age:<1h 81");
  assert.ok(showsPool(filter, { name: "fib" }) && !showsPool(filter, { name: "resize" }));
  assert.ok(showsWorker(filter, "b", "busy", "fib-812"));
  assert.ok(!showsWorker(filter, "i", "idle", "fib-812") && !showsWorker(filter, "b", "busy", "fib-7"));
  assert.ok(!showsWorker(filter, ".", "no worker", undefined));
  const death = { pool: "fib", worker: "fib-81", at: 0, cause: "crashed" };
  assert.ok(showsDeath(filter, death, 3_599_000) && !showsDeath(filter, death, 3_601_000));
  assert.deepEqual(parse("colour:red").unknown, ["colour"]);
  assert.ok(!showsPool(parse("pool:(.*"), { name: "fib" }), "a pattern is none of the language's");
});

test("an example fits the schema, however hostile", () => {
  assert.equal(example({ type: "integer", minimum: 3 }), 3);
  const schema = { $ref: "#/$defs/a", $defs: { a: { type: "object", properties: { w: { type: "integer" }, f: { enum: ["png"] } } } } };
  assert.deepEqual(example(schema), { w: 0, f: "png" });
  const loop = { $ref: "#/$defs/a", $defs: { a: { type: "array", items: { $ref: "#/$defs/a" } } } };
  assert.ok(JSON.stringify(example(loop)).length < 100);
  for (const odd of [null, 7, { $ref: "https://elsewhere.example/x" }, { anyOf: [] }, { type: "nonsense" }]) example(odd);
});

test("each place has a cell, and each cell a place", () => {
  for (const places of [1, 24, 97, 1000, 4096]) {
    const { at, slotAt, side } = grid(780, places);
    for (const slot of [0, places - 1]) {
      const { x, y } = at(slot);
      assert.equal(slotAt(x + side / 2, y + side / 2), slot);
    }
    assert.equal(slotAt(-1, 0), undefined);
  }
  assert.ok(fill(10) < fill(1000) && fill(1000) < fill(600_000) && fill(1e9) === 1);
});

test("a death that was heard and is remembered is one", () => {
  const heard = [{ at: 2000, pool: "fib", slot: 3, worker: "fib-7" }];
  const kept = [{ id: 5, time: "1970-01-01T00:00:02Z", pool: "fib", worker: "fib-7", group: "a", signature: "SIGSEGV" }];
  const [one, ...others] = remembered(heard, kept);
  assert.deepEqual([one.slot, one.signature, one.at, others.length], [3, "SIGSEGV", 2000, 0]);
  assert.equal(grouped([one, { ...one, worker: "fib-8" }])[0].count, 2);
});

test("hosts are counted by their state, and only the living run jobs", () => {
  const host = (state, held) => ({ state, held, slots: { fib: 2, ping: 3 } });
  const hosts = [host("up", 4), host("up", 0), host("left", 0), host("gone", 2)];
  assert.equal(summary(hosts), "2 up, 1 gone, 4 of 10 jobs at a time");
  assert.equal(summary([host("gone", 2)]), "0 up, 1 gone");
  assert.deepEqual([slots(hosts[0]), running(hosts[0]), running(hosts[3])], ["fib: 2, ping: 3", "4", "–"]);
});
