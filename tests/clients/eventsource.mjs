// Follows a job by the EventSource of browsers: node --experimental-eventsource eventsource.mjs URL. The server has the
// pools of `procpool serve`.
import assert from "node:assert/strict";

const url = process.argv[2];

/** Follows a job until its stream is closed for good, and returns what came. */
function followed(events) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(events);
    const seen = [];
    let opened = 0;
    source.onopen = () => (opened += 1);
    for (const name of ["state", "progress", "chunk", "log", "outcome", "reset", "bye"]) {
      source.addEventListener(name, (event) => seen.push([name, JSON.parse(event.data), event.lastEventId]));
    }
    // After its end the source connects again by itself. Only 204 keeps it from doing that for ever.
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(patience);
      resolve({ seen, opened });
    };
    const late = () => reject(new Error(`the source was not closed; it saw ${JSON.stringify(seen)}`));
    const patience = setTimeout(late, 30_000);
  });
}

const accepted = await fetch(`${url}/v1/pools/fib/jobs`, {
  method: "POST",
  headers: { "content-type": "application/json", prefer: "respond-async" },
  body: "40",
});
assert.equal(accepted.status, 202);
const job = await accepted.json();
console.log("ok: a job that is handed over");

const { seen, opened } = await followed(`${url}${job.links.events}`);
assert.equal(opened, 1);
assert.deepEqual(seen.map(([name]) => name).filter((name) => name === "outcome"), ["outcome"]);
assert.deepEqual(seen.at(-1).slice(0, 2), ["outcome", { outcome: "ok", may_have_run: true }]);
console.log("ok: a source sees the job end once");

const ids = seen.map(([, , id]) => id);
assert.equal(new Set(ids).size, ids.length);
console.log("ok: each event has an id of its own");
