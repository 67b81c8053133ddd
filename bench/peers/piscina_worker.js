// Gives back what it is given; "mix" is about a microsecond of work.
module.exports = (input) => (input === "mix" ? mix(1) : input);

function mix(number) {
  for (let i = 0; i < 720; i++) number = (Math.imul(number ^ (number >>> 15), 0x85ebca6b) + i) | 0;
  return number;
}
