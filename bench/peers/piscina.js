// Jobs through Piscina with two threads: `piscina.js LANES COUNT [JOB]`. With one lane the time of a job, in µs; with more of them
// jobs a second.
const { Piscina } = require("piscina");
const [lanes, count] = process.argv.slice(2).map(Number);
const job = process.argv[4] || "ping";

(async () => {
  const pool = new Piscina({ filename: __dirname + "/piscina_worker.js", minThreads: 2, maxThreads: 2, recordTiming: false });
  for (let i = 0; i < 3000; i++) await pool.run(job);
  const nanos = [];
  let sent = 0;
  const begun = process.hrtime.bigint();
  const lane = async () => {
    while (sent++ < count) {
      const begun = process.hrtime.bigint();
      await pool.run(job);
      nanos.push(Number(process.hrtime.bigint() - begun));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  nanos.sort((a, b) => a - b);
  const value = lanes === 1 ? nanos[nanos.length >> 1] / 1e3 : count / seconds;
  console.log(JSON.stringify({ value, nanos }));
  await pool.destroy();
})();
