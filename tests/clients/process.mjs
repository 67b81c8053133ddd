// The processes of a Chromium and the folder of its profile. Chromium is several processes, and all of them write there:
// the folder can be removed when the last one is gone.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Starts a browser that is driven over a pipe. `end` takes what asks the browser, and ends it. */
export function start(...more) {
  const profile = mkdtempSync(join(tmpdir(), "procpool-browser-"));
  const options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`, ...more];
  const program = process.env.CHROMIUM ?? "chromium";
  const browser = spawn(program, [...options, "--remote-debugging-pipe"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    // A group of its own, so that all of it can be killed.
    detached: true,
  });
  browser.on("error", (error) => {
    console.error(`${program}: ${error.message}`);
    process.exit(1);
  });
  const gone = new Promise((resolve) => browser.on("exit", resolve));
  const signal = (number) => {
    try {
      return process.kill(-browser.pid, number);
    } catch {
      return false;
    }
  };
  process.on("exit", () => signal("SIGKILL"));
  const end = async (ask) => {
    // Its pipe may close before it answers.
    await Promise.race([ask("Browser.close").catch(() => {}), gone]);
    await gone;
    // The others are no children of ours: nothing tells of their end but that. A dead one may wait for its parent for ever.
    for (let looks = 0; looks < 200 && signal("SIGKILL"); looks += 1) await setTimeout(5);
    rmSync(profile, { recursive: true, force: true });
  };
  return { browser, end };
}
