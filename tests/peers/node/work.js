// The jobs.

const fs = require("node:fs");
const path = require("node:path");

const LONGEST_SPIN = 30_000; // milliseconds: a worker that nobody finds ends by itself
const place = (name) => path.join(process.env.PEERS_DIR, name);

/** Says which process runs the job: whoever waits sees the file whole or not at all. */
function tell(name) {
  fs.writeFileSync(place(name) + ".part", String(process.pid));
  fs.renameSync(place(name) + ".part", place(name) + ".pid");
}

/** Resolves after a while. A thread cannot be killed with a signal: it exits once NAME.exit appears. */
async function nap(name, milliseconds) {
  tell(name);
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    if (fs.existsSync(place(name) + ".exit")) process.exit(1);
    await new Promise((resolve) => setTimeout(resolve, Math.min(10, end - Date.now())));
  }
}

function spin(name) {
  tell(name);
  const end = Date.now() + LONGEST_SPIN;
  while (Date.now() < end);
}

module.exports = { nap, spin };
