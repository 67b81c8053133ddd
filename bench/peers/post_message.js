// Round trips of postMessage between two threads: `post_message.js BYTES COUNT`. 0 bytes: the string "ping".
const { Worker } = require("worker_threads");
const [bytes, count] = process.argv.slice(2).map(Number);
const worker = new Worker(__dirname + "/echo.js");
const message = bytes === 0 ? "ping" : new Uint8Array(bytes).fill(7);

async function roundTrips(count) {
  const nanos = [];
  for (let i = 0; i < count; i++) {
    const sent = process.hrtime.bigint();
    await new Promise((resolve) => { worker.once("message", resolve); worker.postMessage(message); });
    nanos.push(Number(process.hrtime.bigint() - sent));
  }
  return nanos;
}

(async () => {
  await roundTrips(Math.ceil(count / 5));
  const nanos = await roundTrips(count);
  nanos.sort((a, b) => a - b);
  console.log(JSON.stringify({ value: nanos[nanos.length >> 1] / 1e3, nanos }));
  process.exit();
})();
