// A new Worker for every job, as the seed does it: `spawn.js COUNT`.
const { Worker } = require("worker_threads");
const count = Number(process.argv[2]);
const source = "const { parentPort, workerData } = require('worker_threads'); parentPort.postMessage(workerData + 1);";
const job = () => new Promise((resolve, reject) => {
  const worker = new Worker(source, { eval: true, workerData: 41 });
  worker.on("message", resolve);
  worker.on("error", reject);
});

(async () => {
  await job();
  const nanos = [];
  for (let i = 0; i < count; i++) {
    const begun = process.hrtime.bigint();
    await job();
    nanos.push(Number(process.hrtime.bigint() - begun));
  }
  nanos.sort((a, b) => a - b);
  console.log(JSON.stringify({ value: nanos[nanos.length >> 1] / 1e3, nanos }));
  process.exit();
})();
