// The seed's loop: `compute.js N`. Milliseconds, after it was compiled.
const n = Number(process.argv[2]);
function compute(n) { let sum = 0; for (let i = 0; i < n; i++) sum += Math.sqrt(i); return sum; }
compute(n / 10);
const begun = process.hrtime.bigint();
const sum = compute(n);
const value = Number(process.hrtime.bigint() - begun) / 1e6;
if (n === 50000000 && String(sum) !== "235702256859.7696") throw new Error("other digits: " + sum);
console.log(JSON.stringify({ value }));
