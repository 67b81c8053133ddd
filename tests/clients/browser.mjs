// Follows a job by the EventSource of a real browser: node browser.mjs URL.
import assert from "node:assert/strict";
import { withPage } from "./chromium.mjs";

/** Runs in the page: hands a job over, follows it until the browser comes back no more, and fetches its result. */
async function inPage() {
  const accepted = await fetch("/v1/pools/fib/jobs", {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "respond-async" },
    body: "40",
  });
  const { links } = await accepted.json();
  const seen = [];
  let opened = 0;
  const source = new EventSource(links.events);
  source.onopen = () => (opened += 1);
  for (const name of ["state", "progress", "outcome", "reset", "bye"]) {
    source.addEventListener(name, (event) => seen.push([name, event.lastEventId]));
  }
  // The browser connects again by itself. Only 204 closes the source.
  await new Promise((resolve) => {
    source.onerror = () => source.readyState === EventSource.CLOSED && resolve();
  });
  const result = await fetch(links.result);
  return { status: accepted.status, seen, opened, result: await result.json() };
}

await withPage(`${process.argv[2]}/livez`, async (page) => {
  const { status, seen, opened, result } = await page.run(inPage);
  assert.equal(status, 202);
  assert.equal(result, 102334155);
  console.log("ok: a page hands a job over and fetches its result");
  const names = seen.map(([name]) => name);
  assert.deepEqual([names.at(-1), names.filter((name) => name === "outcome").length, opened], ["outcome", 1, 1]);
  const ids = seen.map(([, id]) => Number(id));
  assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
  assert.equal(new Set(ids).size, ids.length);
  console.log("ok: its EventSource sees the job end once and does not come back");
});
