// Takes the pictures of the guide: node screenshots.mjs FOLDER-OF-EXECUTABLES FOLDER-FOR-PICTURES [story|thousand]. Starts
// servers of its own.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "./chromium.mjs";

const [executables, pictures, ...scenes] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "procpool-pictures-"));
mkdirSync(pictures, { recursive: true });
const program = (name) => JSON.stringify(join(executables, name));
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Starts a server, and returns its address and what ends it. */
async function serve(name, pools) {
  const file = join(folder, `${name}.toml`);
  writeFileSync(file, `[server]\norders = true\nmax_connections_per_peer = 1024\n${pools}`);
  const arguments_ = ["serve", "--listen", "127.0.0.1:0", "--config", file];
  const server = spawn(join(executables, "procpool"), arguments_, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const url = await new Promise((resolve, reject) => {
    const hear = (data) => {
      said += data;
      const found = said.match(/listening on (http:\S+)/);
      if (found) resolve(found[1]);
    };
    server.stdout.on("data", hear);
    server.stderr.on("data", hear);
    server.on("exit", () => reject(new Error(said)));
  });
  const gone = new Promise((resolve) => server.on("exit", resolve));
  return { url, stop: () => (server.kill("SIGTERM"), gone) };
}

/** Sends jobs one after the other until the pictures are taken. */
let isOver = false;
async function keepBusy(url, pool, input) {
  for (let number = 0; !isOver; number += 1) {
    const body = JSON.stringify(input(number));
    await fetch(`${url}/v1/pools/${pool}/jobs`, { method: "POST", body, headers: { "content-type": "application/json" } }).then(
      (it) => it.text(),
      () => pause(0.2),
    );
  }
}

/** The same numbers each time. */
let seed = 7;
function random() {
  seed = (seed * 16807) % 2147483647;
  return seed / 2147483647;
}

const between = (from, to) => Math.round(from * (to / from) ** random());
const save = async (name, page) => writeFileSync(join(pictures, `${name}.png`), await page.picture());

async function open(browser, url, options) {
  const page = await browser.open(options);
  await page.ask("Emulation.setFocusEmulationEnabled", { enabled: true });
  await page.go(`${url}/dashboard`);
  await page.until("workers", () => document.querySelector(".cells canvas") !== null);
  return page;
}

async function story(browser) {
  const { url, stop } = await serve(
    "story",
    `[pools.resize]
command = [${program("verbs")}]
min_workers = 14
max_workers = 14
queue = 64
poison_deaths = 0
client_deaths = 0
save_failed_jobs = "failed"
[pools.fib]
command = [${program("procpool-fib")}]
min_workers = 6
max_workers = 12
`,
  );
  isOver = false;
  const nap = () => ({ nap: between(60_000, 2_500_000) });
  for (let one = 0; one < 10; one += 1) keepBusy(url, "resize", nap);
  keepBusy(url, "resize", () => ({ nap: 90_000_000 }));
  const long = () => ({ nap: 25_000_000 });
  keepBusy(url, "resize", long);
  const words = ["resize: reading cat.png, 4096 x 4096", "inflate: invalid distance too far back", "png_read_row: row 812 is beyond the image", "free(): invalid next size (normal)"];
  (async () => {
    for (let number = 0; !isOver; number += 1) {
      await pause(5);
      const verb = [{ last_words: words }, { die: 11 }, { panic: "width is zero" }][number % 3];
      const body = JSON.stringify(verb);
      await fetch(`${url}/v1/pools/resize/jobs`, { method: "POST", body, headers: { "content-type": "application/json" } }).catch(() => {});
    }
  })();
  for (let one = 0; one < 2; one += 1) keepBusy(url, "fib", () => between(20, 36));

  const height = 860;
  const [light, dark, phone] = [
    await open(browser, url, { height }),
    await open(browser, url, { height, dark: true }),
    await open(browser, url, { width: 390, height: 844, phone: true }),
  ];
  await pause(66);
  await save("light", light);
  await save("dark", dark);
  await save("phone", phone);
  await light.run(() => [...document.querySelectorAll(".deaths .row")].find((it) => it.textContent.includes("free()") || it.textContent.includes("SIGABRT"))?.click());
  await pause(1.5);
  await save("crash", light);
  isOver = true;
  await stop();
}

async function thousand(browser) {
  const { url, stop } = await serve(
    "thousand",
    `[pools.render]
command = [${program("verbs")}]
min_workers = 1000
max_workers = 1000
poison_deaths = 0
client_deaths = 0
`,
  );
  isOver = false;
  const page = await open(browser, url, { height: 860 });
  await page.until("all workers", () => !/[1-9]\d* starting/.test(document.querySelector(".hover")?.textContent ?? "starting") && document.querySelector(".totals").textContent.includes("1,000"));
  for (let one = 0; one < 420; one += 1) keepBusy(url, "render", () => ({ nap: between(400_000, 20_000_000) }));
  (async () => {
    while (!isOver) {
      await pause(0.7);
      await fetch(`${url}/v1/pools/render/jobs`, { method: "POST", body: '{"die":11}', headers: { "content-type": "application/json" } }).catch(() => {});
    }
  })();
  await pause(25);
  await save("thousand", page);
  isOver = true;
  await stop();
}

const browser = await launch();
try {
  for (const scene of [story, thousand]) {
    if (scenes.length === 0 || scenes.includes(scene.name)) await scene(browser);
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
