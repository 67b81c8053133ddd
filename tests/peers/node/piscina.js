// Piscina with two threads. The same file is the worker.

const { isMainThread } = require("node:worker_threads");

if (isMainThread) {
  const { Piscina } = require("piscina");
  const pool = new Piscina({ filename: __filename, minThreads: 2, maxThreads: 2 });
  pool.on("error", (error) => console.error("pool:", error));
  require("./lines.js")((verb, args) => pool.run(args, { name: verb }));
} else {
  if (process.env.FAIL_AT_LOAD) throw new Error("the worker fails at load");
  const work = require("./work.js");
  module.exports = { nap: (args) => work.nap(...args), spin: (args) => work.spin(...args) };
}
