// Drives Chromium over the pipe of its own protocol (https://chromedevtools.github.io/devtools-protocol/), so that nothing has
// to be installed but Chromium. A page notes its errors and every request that it makes.
import { start } from "./process.mjs";

/** Opens a page at `url`, hands it to `visit`, and ends the browser. */
export async function withPage(url, visit) {
  const browser = await launch();
  try {
    const page = await browser.open();
    await page.go(url);
    return await visit(page);
  } finally {
    await browser.close();
  }
}

/** Starts a browser. `ask` asks it, `close` ends it. */
export async function launch() {
  // Its own calls home are none of the page's.
  const { browser, end } = start("--hide-scrollbars", "--disable-background-networking", "--disable-component-update");

  /** The questions that have no answer yet, by number. */
  const asked = new Map();
  /** Who hears the events of a session. */
  const listeners = new Map();
  let received = "";
  browser.stdio[4].setEncoding("utf8");
  browser.stdio[4].on("data", (data) => {
    received += data;
    // Messages end with a NUL.
    const messages = received.split("\0");
    received = messages.pop();
    for (const message of messages.map((it) => JSON.parse(it))) {
      if (message.id === undefined) {
        listeners.get(message.sessionId)?.(message.method, message.params);
        continue;
      }
      const answer = asked.get(message.id);
      asked.delete(message.id);
      if (message.error) answer?.reject(new Error(message.error.message));
      else answer?.resolve(message.result);
    }
  });
  let number = 0;
  const ask = (method, params = {}, sessionId = undefined) => {
    number += 1;
    const id = number;
    browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
  };
  const open = async ({ width = 1280, height = 800, dark = false, phone = false } = {}) => {
    const { browserContextId } = await ask("Target.createBrowserContext");
    const { targetId } = await ask("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => ask(method, params, sessionId));
    listeners.set(sessionId, (method, params) => page.heard(method, params));
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await page.ask(`${domain}.enable`);
    await page.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: phone ? 2 : 1, mobile: phone });
    await page.ask("Emulation.setEmulatedMedia", {
      // What moves is looked at when it has arrived.
      features: [
        { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
        { name: "prefers-reduced-motion", value: "reduce" },
      ],
    });
    return page;
  };
  return { open, ask, close: () => end(ask) };
}

class Page {
  /** What the page complains of: its console, exceptions, failed loads, refusals of its policy. */
  errors = [];
  /** The address of every request. */
  requests = [];
  #loaded = [];

  constructor(ask) {
    this.ask = ask;
  }

  heard(method, params) {
    if (method === "Runtime.exceptionThrown") this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) this.errors.push(params.args.map((it) => it.value).join(" "));
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) this.errors.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Page.loadEventFired") this.#loaded.splice(0).forEach((resolve) => resolve());
  }

  async go(url) {
    const loaded = new Promise((resolve) => this.#loaded.push(resolve));
    await this.ask("Page.navigate", { url });
    await loaded;
  }

  /** Runs a function in the page. */
  async run(work, ...values) {
    const expression = `(${work})(...${JSON.stringify(values)})`;
    const wanted = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", wanted);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until a function says so in the page, and returns what it says. */
  async until(what, work, ...values) {
    // The clock of the test bounds this.
    for (;;) {
      const value = await this.run(work, ...values);
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Presses the button of this text, once it is there. */
  async press(text) {
    await this.until(`a button ${text}`, (wanted) => {
      const button = [...document.querySelectorAll("button")].find((it) => it.textContent.trim() === wanted && !it.disabled);
      button?.click();
      return button !== undefined;
    }, text);
  }

  async key(key) {
    const text = key.length === 1 ? key : undefined;
    await this.ask("Input.dispatchKeyEvent", { type: "keyDown", key, text });
    await this.ask("Input.dispatchKeyEvent", { type: "keyUp", key });
  }

  async picture() {
    const { data } = await this.ask("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data, "base64");
  }
}
