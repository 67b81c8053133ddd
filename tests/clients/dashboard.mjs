// Uses the dashboard as a person does, in a real browser: node dashboard.mjs URL kill|reader TOKEN|hostile|barriers|hosts UP GONE
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { launch } from "./chromium.mjs";

const [url, what, token, ...more] = process.argv.slice(2);
const browser = await launch();

/** Opens the page and waits until it shows workers. */
async function open(options) {
  const page = await browser.open(options);
  await page.go(`${url}/dashboard`);
  return page;
}

const shown = (page) => page.until("workers", () => document.querySelector(".cells canvas") !== null);

/** Nothing went wrong in the page, and it asked nobody but its own server. */
function isClean(page) {
  // The page may look once at a worker that has just ended.
  const ended = /status of 410 .*\/v1\/workers\//;
  assert.deepEqual(page.errors.filter((it) => !ended.test(it)), []);
  const elsewhere = page.requests.filter((it) => !it.startsWith(`${url}/`) && !it.startsWith("data:"));
  assert.deepEqual(elsewhere, []);
}

async function kill() {
  const page = await open();
  await shown(page);
  const workers = async () => {
    const answer = await page.run(() => fetch("/v1/pools/fib/workers").then((it) => it.json()));
    return answer.workers.map((it) => it.id);
  };
  const before = await workers();
  // The first cell has the focus of the keys.
  await page.run(() => document.querySelector("canvas[data-pool=fib]").focus());
  await page.key("Enter");
  const name = await page.until("its pane", () => document.querySelector(".pane h2")?.textContent);
  assert.ok(before.includes(name), `${name} of ${before}`);
  await page.press("Kill");
  assert.ok((await workers()).includes(name), "one press is a question");
  await page.press("Kill it now?");
  const next = await page.until("its replacement", (dead) => {
    const title = document.querySelector(".pane h2")?.textContent;
    const state = document.querySelector(".pane .state")?.textContent;
    return title !== dead && title?.startsWith("fib-") && state === "idle" && title;
  }, name);
  assert.ok(!before.includes(next));
  console.log(`ok: ${name} is killed from the page, and ${next} stands where it was`);

  await page.until("the note", () => document.querySelector(".note code")?.textContent.includes("curl -X DELETE"));
  console.log("ok: a note has the curl line that does the same");
  await page.until("the death", (dead) => document.querySelector(".deaths")?.textContent.includes(dead), name);
  await page.press("×");
  await page.run((dead) => [...document.querySelectorAll(".deaths .row")].find((it) => it.textContent.includes(dead)).click(), name);
  await page.until("the pane of the death", (dead) => document.querySelector(".pane .facts")?.textContent.includes(dead), name);
  console.log("ok: its death is on the wall, and has a pane");

  await page.key("Escape");
  await page.press("Run a job");
  await page.until("an example of the schema", () => document.querySelector("#input")?.value !== "");
  await page.run(() => {
    const input = document.querySelector("#input");
    input.value = "10";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await page.press("Run");
  await page.until("the output", () => [...document.querySelectorAll(".pane .log")].some((it) => it.textContent.trim() === "55"));
  console.log("ok: a job runs from the page");
  assert.equal(await page.run(() => document.querySelector(".hosts")), null, "a server without a cluster has no hosts");
  isClean(page);
  console.log("ok: the page says nothing of errors and asks no other host");
}

async function reader() {
  const page = await open();
  await page.until("the form", () => document.querySelector("#token") !== null);
  await page.run((token) => {
    document.querySelector("#token").value = token;
  }, token);
  await page.press("Sign in");
  await shown(page);
  const orders = ["Kill", "Retire", "Pause", "Reload", "Resize", "Run a job", "Cancel"];
  await page.run(() => document.querySelector(".cells canvas").focus());
  await page.key("Enter");
  await page.until("the pane of a worker", () => document.querySelector(".pane .facts") !== null);
  const buttons = await page.run(() => [...document.querySelectorAll("button")].map((it) => it.textContent.trim()));
  assert.deepEqual(buttons.filter((it) => orders.includes(it)), []);
  console.log("ok: a reader sees workers and has no buttons");
  const cookies = await page.run(() => document.cookie);
  assert.equal(cookies, "");
  isClean(page);
  await page.run(() => [...document.querySelectorAll("button")].find((it) => it.textContent.includes("sign out")).click());
  await page.until("the form again", () => document.querySelector("#token") !== null);
  console.log("ok: and signs out again");
}

/** What a worker says is text, whatever it says. The server has a pool `verbs`. */
async function hostile() {
  const page = await open();
  await shown(page);
  const words = `</pre><script>document.title = "owned"</script><img src=x onerror="document.title='owned'">`;
  await page.run(async (words) => {
    const body = JSON.stringify({ last_words: [words] });
    await fetch("/v1/pools/verbs/jobs", { method: "POST", headers: { "content-type": "application/json" }, body });
  }, words);
  await page.until("the death", () => document.querySelector(".deaths .row"));
  await page.run(() => document.querySelector(".deaths .row").click());
  await page.until("its last words", (words) => document.querySelector(".pane .log")?.textContent.includes(words), words);
  assert.equal(await page.run(() => document.title), "procpool");
  assert.equal(await page.run(() => document.querySelectorAll(".pane img, .pane script, .deaths img").length), 0);
  console.log("ok: markup in a worker's last words is text");
}

const AXE = new URL("node_modules/axe-core/axe.min.js", import.meta.url);

/** Returns what breaks the rules of axe-core, once that is in the page. */
function violations(page) {
  return page.run(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.map((it) => `${it.id}: ${it.help}: ${it.nodes.map((node) => node.html).join(" ")}`);
  });
}

/** The rules of axe-core, which must be installed: npm ci. */
async function barriers() {
  const axe = readFileSync(AXE, "utf8");
  // Each theme as the system wants it, and as the page's own button does.
  for (const [dark, isTurned] of [[false, false], [true, false], [false, true], [true, true]]) {
    const page = await open({ dark });
    await shown(page);
    if (isTurned) await page.run(() => document.querySelector('[aria-label="Light or dark"]').click());
    const isDark = dark !== isTurned;
    const ground = await page.run(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(ground, isDark ? "rgb(14, 15, 18)" : "rgb(247, 247, 248)");
    await page.ask("Runtime.evaluate", { expression: axe });
    const look = async (place) => assert.deepEqual(await violations(page), [], place);
    await look("the page");
    await page.press("Table");
    await look("the table");
    await page.run(() => document.querySelector("tbody button").click());
    await page.until("the pane", () => document.querySelector(".pane .facts") !== null);
    await look("the pane of a worker");
    await page.press("Run a job");
    await page.until("the form", () => document.querySelector("#input") !== null);
    await look("the form of a job");
    await page.press("?");
    await look("the help");
    console.log(`ok: axe-core finds no violation, ${isDark ? "dark" : "light"}${isTurned ? " by the button" : ""}`);
  }
}

/** The hosts of a cluster, of which one is up and one is gone. */
async function hosts() {
  const [up, gone] = [token, ...more];
  const page = await open();
  const row = (name) => page.until(`the row of ${name}`, (name) => {
    const row = [...document.querySelectorAll(".hosts tbody tr")].find((it) => it.querySelector("th")?.textContent === name);
    return row && [...row.querySelectorAll("td")].map((it) => it.textContent);
  }, name);
  const [living, lost] = [await row(up), await row(gone)];
  assert.deepEqual([living[0], living[2], living[3]], ["up", "0", "again: 2, once: 2"]);
  assert.deepEqual([lost[0], lost[2]], ["gone", "–"]);
  const summary = await page.run(() => document.querySelector(".hosts header").textContent);
  assert.match(summary, /1 up, 1 gone, 0 of 4 jobs at a time/);
  const heads = await page.run(() => [...document.querySelectorAll('.hosts thead th[scope="col"]')].map((it) => it.textContent));
  assert.deepEqual(heads, ["node", "state", "seen", "running", "slots", "done", "late", "fenced", "version"]);
  isClean(page);
  if (existsSync(AXE)) {
    await page.ask("Runtime.evaluate", { expression: readFileSync(AXE, "utf8") });
    assert.deepEqual(await violations(page), []);
    console.log("ok: axe-core finds no violation beside the hosts");
  }
  console.log("ok: the page shows the hosts, and which of them is gone");
}

try {
  await { kill, reader, hostile, barriers, hosts }[what]();
} finally {
  await browser.close();
}
