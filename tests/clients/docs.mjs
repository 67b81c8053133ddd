// Reads the page at /docs in a real browser and runs a job from it: node docs.mjs URL.
import assert from "node:assert/strict";
import { withPage } from "./chromium.mjs";

/** Runs in the page: opens the operation of a pool, fills in an input and sends it. Returns the answer that is shown. */
async function runJob(pool, input) {
  const shown = async (find) => {
    for (;;) {
      const found = find();
      if (found) return found;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  };
  const operation = await shown(() => document.getElementById(`operations-jobs-runJob_${pool}`));
  operation.querySelector(".opblock-summary-control").click();
  const body = await shown(() => operation.querySelector("textarea.body-param__text"));
  const example = body.value;
  // As a person types: the page's library listens to the event and not to the value.
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(body, input);
  body.dispatchEvent(new Event("input", { bubbles: true }));
  (await shown(() => operation.querySelector("button.execute"))).click();
  const answer = await shown(() => operation.querySelector(".live-responses-table .response"));
  const text = await shown(() => answer.querySelector(".highlight-code, .microlight"));
  return { example, status: answer.querySelector(".response-col_status").textContent.trim(), output: text.textContent };
}

const url = process.argv[2];
await withPage(`${url}/docs`, async (page) => {
  await page.until("the page", () => document.documentElement.dataset.ready === "yes");
  const { example, status, output } = await page.run(runJob, "fib", "10");
  assert.match(status, /^200/);
  assert.match(output, /55/);
  assert.match(example, /^\d+$/, "the example is made from the worker's schema");
  console.log("ok: a person runs a job from the page, whose form has the worker's schema");
  assert.deepEqual(page.errors, []);
  const elsewhere = page.requests.filter((it) => !it.startsWith(url) && !it.startsWith("data:"));
  assert.deepEqual(elsewhere, []);
  console.log("ok: its policy forbids nothing that it needs, and no request leaves the server");
});
