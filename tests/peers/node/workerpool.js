// workerpool with two processes. The same file is the worker.

const workerpool = require("workerpool");

if (workerpool.isMainThread) {
  const pool = workerpool.pool(__filename, { workerType: "process", minWorkers: 2, maxWorkers: 2 });
  require("./lines.js")((verb, args) => pool.exec(verb, args));
} else {
  workerpool.worker(require("./work.js"));
}
