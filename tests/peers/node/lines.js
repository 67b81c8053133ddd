// Drives a Node pool by lines on standard input; they are explained in ../README.md.

const readline = require("node:readline");

const say = (line) => process.stdout.write(line + "\n");
const oneLine = (error) => `${error?.name ?? "Error"}: ${error?.message ?? error}`.split(/\s+/).join(" ");

/** `submit(verb, args)` gives a promise of the job's end. */
module.exports = (submit) => {
  say(`parent ${process.pid}`);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const [verb, name, milliseconds] = line.split(" ");
    try {
      const job = submit(verb, [name, Number(milliseconds)]);
      say(`sent ${name}`);
      await job;
      say(`ok ${name}`);
    } catch (error) {
      say(`failed ${name} ${oneLine(error)}`);
    }
  });
  // Whoever drives this is gone: nothing is worth waiting for.
  lines.on("close", () => process.exit(0));
};
