// Drives Chromium over the pipe of its own protocol (https://chromedevtools.github.io/devtools-protocol/), so that nothing
// has to be installed but Chromium.
import assert from "node:assert/strict";
import { start } from "./process.mjs";

/** Opens a page at `url` below `origin`, hands it to `visit`, and ends the browser. */
export async function withPage(url, visit) {
  const { browser, end } = start();
  const { ask, listen } = conversation(browser);
  try {
    const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => ask(method, params, sessionId), listen);
    await page.open(url);
    return await visit(page);
  } finally {
    await end(ask);
  }
}

class Page {
  /** What the page has complained of: its console, uncaught errors, and what its policy forbids. */
  complaints = [];
  /** The addresses that it has asked for. */
  requests = [];

  constructor(ask, listen) {
    this.ask = ask;
    listen("Log.entryAdded", ({ entry }) => this.complaints.push(`${entry.source}: ${entry.text} ${entry.url ?? ""}`));
    listen("Runtime.exceptionThrown", (it) => this.complaints.push(it.exceptionDetails.exception?.description));
    listen("Runtime.consoleAPICalled", ({ type, args }) => {
      if (["error", "warning", "assert"].includes(type)) this.complaints.push(`${type}: ${args.map((it) => it.value)}`);
    });
    listen("Network.requestWillBeSent", ({ request }) => this.requests.push(request.url));
  }

  async open(url) {
    for (const domain of ["Runtime", "Log", "Network", "Page"]) await this.ask(`${domain}.enable`);
    await this.ask("Page.navigate", { url });
    // Until then the page is an empty one, of no server.
    await this.until(`location.href.startsWith(${JSON.stringify(url)}) && document.readyState === "complete"`);
  }

  /** Returns what a function gives that runs in the page, or an expression. */
  async evaluate(code, ...args) {
    const expression = typeof code === "function" ? `(${code})(${args.map((arg) => JSON.stringify(arg))})` : code;
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert.equal(exceptionDetails, undefined);
    return result.value;
  }

  /** Waits until an expression is true in the page. */
  async until(expression) {
    while (!(await this.evaluate(expression)));
  }
}

/** Returns what asks the browser, and what hears of its events. */
function conversation(browser) {
  /** The questions that have no answer yet, by number. */
  const asked = new Map();
  const listeners = new Map();
  let received = "";
  browser.stdio[4].on("data", (data) => {
    received += data;
    // Messages end with a NUL.
    const messages = received.split("\0");
    received = messages.pop();
    for (const { id, result, error, method, params } of messages.map((message) => JSON.parse(message))) {
      listeners.get(method)?.(params);
      const answer = asked.get(id);
      asked.delete(id);
      if (error) answer?.reject(new Error(error.message));
      else answer?.resolve(result);
    }
  });
  let number = 0;
  const ask = (method, params = {}, sessionId) => {
    number += 1;
    const id = number;
    browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
  };
  return { ask, listen: (method, listener) => listeners.set(method, listener) };
}
