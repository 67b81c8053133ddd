// Follows a job by the EventSource of a real browser: node browser.mjs URL. Drives Chromium over the pipe of its own
// protocol (https://chromedevtools.github.io/devtools-protocol/), so that nothing has to be installed but Chromium.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const url = process.argv[2];
const profile = mkdtempSync(join(tmpdir(), "procpool-browser-"));
const options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
const program = process.env.CHROMIUM ?? "chromium";
const browser = spawn(program, [...options, "--remote-debugging-pipe"], {
  stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
});
browser.on("error", (error) => {
  console.error(`${program}: ${error.message}`);
  process.exit(1);
});
const gone = new Promise((resolve) => browser.on("exit", resolve));

/** The questions that have no answer yet, by number. */
const asked = new Map();
let received = "";
browser.stdio[4].on("data", (data) => {
  received += data;
  // Messages end with a NUL.
  const messages = received.split("\0");
  received = messages.pop();
  for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
    const answer = asked.get(id);
    asked.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }
});

let number = 0;
function ask(method, params = {}, sessionId) {
  number += 1;
  const id = number;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
}

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

try {
  const { targetId } = await ask("Target.createTarget", { url: `${url}/livez` });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const evaluate = async (expression) => {
    const wanted = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await ask("Runtime.evaluate", wanted, sessionId);
    assert.equal(exceptionDetails, undefined);
    return result.value;
  };
  // Until then the page is an empty one, of no server.
  while (!(await evaluate(`location.href.startsWith(${JSON.stringify(url)}) && document.readyState === "complete"`)));
  const { status, seen, opened, result } = await evaluate(`(${inPage})()`);
  assert.equal(status, 202);
  assert.equal(result, 102334155);
  console.log("ok: a page hands a job over and fetches its result");
  const names = seen.map(([name]) => name);
  assert.deepEqual([names.at(-1), names.filter((name) => name === "outcome").length, opened], ["outcome", 1, 1]);
  const ids = seen.map(([, id]) => Number(id));
  assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
  assert.equal(new Set(ids).size, ids.length);
  console.log("ok: its EventSource sees the job end once and does not come back");
} finally {
  browser.kill("SIGKILL");
  await gone;
  rmSync(profile, { recursive: true, force: true });
}
