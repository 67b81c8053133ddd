// A server that has the dashboard's own files and a stream of pools that do not exist: the same numbers each time, and no
// processes but this one.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const assets = new URL("../../crates/frontend/assets/", import.meta.url);
const VENDORED = {
  "uplot.css": "vendor/uplot/uPlot.min.css.gz",
  "uplot.js": "vendor/uplot/uPlot.iife.min.js.gz",
  "preact.js": "vendor/htm/standalone.module.js.gz",
};
const TYPES = { css: "text/css", html: "text/html", js: "text/javascript", svg: "image/svg+xml" };

/** The numbers of a pool whose workers change at random. */
class Pool {
  #seed = 7;
  #done = 0;
  #since;

  /** @param {{workers: number, busy: number, changing: number}} load parts of one */
  constructor(load) {
    this.load = load;
    this.#since = Array.from({ length: load.workers }, () => (this.#random() < load.busy ? this.#random() * 5000 : undefined));
  }

  #random() {
    this.#seed = (this.#seed * 16807) % 2147483647;
    return this.#seed / 2147483647;
  }

  /** Goes on for some milliseconds. */
  step(millis) {
    const { busy, changing } = this.load;
    this.#since = this.#since.map((since) => {
      if (this.#random() < changing) {
        if (since !== undefined) this.#done += 1;
        return this.#random() < busy ? 0 : undefined;
      }
      return since === undefined ? undefined : since + millis;
    });
  }

  json(isSnapshot) {
    const { workers } = this.load;
    const letters = this.#since.map((since) => (since === undefined ? "i" : "b")).join("");
    const running = this.#since.flatMap((since, slot) => (since === undefined ? [] : [[slot, Math.round(since)]]));
    const long = running.toSorted((a, b) => b[1] - a[1]).slice(0, 20);
    const piece = {
      s: letters.replace(/(.)\1+/g, (run, letter) => `${letter}${run.length}`),
      q: 12,
      run: running.length,
      d: [this.#done, 0, 0, 0],
      old: 1200,
      w: [120, 900],
      r: [2100, 35_000],
      long: long.map(([slot, since]) => [slot, since, (slot + 1).toString(16).padStart(32, "0")]),
    };
    if (!isSnapshot) return piece;
    const cfg = { min: workers, max: workers, queue: 1024, generation: 0, reloading: false, paused: false, draining: false, breaker_open: false };
    return { ...piece, cfg, new: this.#since.map((_, slot) => [slot, slot + 1, 1000 + slot, 0, 60_000]) };
  }
}

/** Serves the page with this load of its one pool, `every` milliseconds a tick. */
export async function serve(load, every = 250) {
  const pool = new Pool(load);
  const answers = {
    "/v1/session": { name: "anonymous", scopes: ["submit", "read", "operate", "debug", "admin"], pools: [], signed_in: false, needs_token: false },
    "/v1/deaths": { deaths: [] },
    "/openapi.json": { paths: {} },
  };
  const stream = (response) => {
    let id = 0;
    const send = (name) => {
      id += 1;
      const data = JSON.stringify({ t: Date.now(), pools: { render: pool.json(name === "snapshot") } });
      response.write(`event: ${name}\nid: ${id}\ndata: ${data}\n\n`);
    };
    response.writeHead(200, { "content-type": "text/event-stream" });
    send("snapshot");
    const ticks = setInterval(() => {
      pool.step(every);
      send("tick");
    }, every);
    response.on("close", () => clearInterval(ticks));
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/v1/events") return stream(response);
    if (pathname in answers) return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answers[pathname]));
    const name = pathname === "/dashboard" ? "index.html" : pathname.replace(/^\/dashboard\//, "");
    const packed = VENDORED[name];
    try {
      const bytes = readFileSync(new URL(packed ?? `dashboard/${name}`, assets));
      const type = TYPES[name.split(".").at(-1)] ?? "text/plain";
      response.writeHead(200, { "content-type": type, ...(packed && { "content-encoding": "gzip" }) }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}
