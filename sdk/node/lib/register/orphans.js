// @ts-check
'use strict';
// A process that outlives this one, and then kills the process groups of its workers.
//
// A worker ends itself when its connections end, which it cannot do while it is stopped. Node cannot ask the kernel for
// a signal at its parent's death. So a shell waits for that, with a pipe from this process.

const { spawn } = require('node:child_process');
const fs = require('node:fs');

/**
 * Reads lines from descriptor 3: `+` or `-`, then a worker's process id, a colon, and the time of its start. At the end
 * of file it kills those that are left, unless their numbers are other processes' by then.
 */
const SCRIPT = `
trap '' HUP INT TERM
set -f
all=' '
while read -r sign who; do
  case $sign in
    +) all="$all$who " ;;
    -) all="\${all%%" $who "*} \${all#*" $who "}" ;;
  esac
done <&3
for who in $all; do
  pid=\${who%:*} stat=
  while IFS= read -r line; do stat="$stat$line "; done <"/proc/$pid/stat"
  set -- \${stat##*) }
  [ "\${20}" = "\${who#*:}" ] && kill -9 "-$pid" "$pid"
done
`;

/** Place of the start among the fields of `/proc/<pid>/stat` that follow the name. */
const START = 19;

/** The shell's end of the pipe, once there is one. @type {import('node:net').Socket | undefined} */
let lines;

/**
 * Has a worker killed with its process group if this process ends first.
 *
 * @param {number | undefined} pid
 * @returns {() => void} ends that; to be called when the worker has ended
 */
function watch(pid) {
  const start = pid && startOf(pid);
  if (!start) return () => {}; // It has not started, or this system has no `/proc`.
  lines ??= startShell();
  const shell = lines;
  shell.write(`+ ${pid}:${start}\n`);
  return () => shell.write(`- ${pid}:${start}\n`);
}

function startShell() {
  const stdio = /** @type {const} */ (['ignore', 'ignore', 'ignore', 'pipe']);
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'procpool-orphans'], {
    detached: true,
    cwd: '/',
    env: {},
    stdio: [...stdio],
  });
  const pipe = /** @type {import('node:net').Socket} */ (shell.stdio[3]);
  // Without a shell, a worker that is stopped outlives this process.
  for (const handle of [shell, pipe]) handle.on('error', () => {});
  // The program ends as it would without it.
  shell.unref();
  pipe.unref();
  return pipe;
}

/** @param {number} pid */
function startOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[START];
  } catch {
    return undefined;
  }
}

module.exports = { watch };
