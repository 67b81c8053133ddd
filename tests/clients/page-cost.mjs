// Measures the processor time that the dashboard costs a browser at a thousand workers: node page-cost.mjs [SECONDS]. Prints
// a line of JSON for each load: parts of a core, in percent.
import { launch } from "./chromium.mjs";
import { serve } from "./fixture.mjs";

const seconds = Number(process.argv[2] ?? 20);
const LOADS = {
  calm: { workers: 1000, busy: 0.02, changing: 0.01 },
  busy: { workers: 1000, busy: 0.5, changing: 0.1 },
  wild: { workers: 1000, busy: 0.5, changing: 1 },
};

/** Seconds of processor time so far: of the process of the page, and of all processes of the browser. */
async function spent(browser) {
  const { processInfo } = await browser.ask("SystemInfo.getProcessInfo");
  const sum = (of) => processInfo.filter(of).reduce((all, it) => all + it.cpuTime, 0);
  return { page: sum((it) => it.type === "renderer"), all: sum(() => true) };
}

async function measure(name, load) {
  const [server, browser] = [await serve(load), await launch()];
  try {
    const page = await browser.open({ height: 860 });
    await page.go(`${server.url}/dashboard`);
    await page.until("workers", () => document.querySelector(".cells canvas") !== null);
    await page.ask("Performance.enable");
    // The first seconds compile the scripts.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const tasks = async () => (await page.ask("Performance.getMetrics")).metrics.find((it) => it.name === "TaskDuration").value;
    const [before, tasksBefore, began] = [await spent(browser), await tasks(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const [after, tasksAfter, took] = [await spent(browser), await tasks(), (performance.now() - began) / 1000];
    const percent = (from, to) => Number((((to - from) * 100) / took).toFixed(1));
    const wrong = page.errors;
    return { load: name, page: percent(before.page, after.page), browser: percent(before.all, after.all), tasks: percent(tasksBefore, tasksAfter), wrong };
  } finally {
    await browser.close();
    await server.stop();
  }
}

for (const [name, load] of Object.entries(LOADS)) console.log(JSON.stringify(await measure(name, load)));
process.exit(0);
