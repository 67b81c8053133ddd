'use strict';
// The job `conformance`: its input is a command. The conformance kit runs it against every SDK.

const { spawn } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const { serve, Failure } = require('procpool');

serve({
  name: 'conformance',
  version: 1,
  run: (command, ctx) => {
    if (command instanceof Uint8Array) return command;
    switch (command?.op) {
      case 'echo':
        return command.value;
      case 'bytes':
        return Buffer.alloc(command.length);
      case 'sleep': // With an eye on cancels.
        return sleep(command.ms, 'slept', { signal: ctx.signal });
      case 'spin': // Without one.
        for (const end = performance.now() + command.ms; performance.now() < end; );
        return 'spun';
      case 'fail': {
        const { message, code, details } = command;
        throw new Failure(message, { code, details, retryable: true });
      }
      case 'break':
        throw new TypeError(command.message);
      case 'panic':
        return new Promise(() => setImmediate(() => Promise.reject(new Error('boom'))));
      case 'progress':
        for (let i = 1; i <= command.count; i += 1) ctx.progress(i, command.count);
        return 'progressed';
      case 'chunks':
        return count(command.count);
      case 'log':
        ctx.log(command.level ?? 'info', command.text);
        return null;
      case 'print':
        console.log(command.text);
        console.error(command.text);
        return sleep(command.ms ?? 0, null);
      case 'child':
        return spawn('sleep', ['60'], { stdio: 'ignore' }).pid;
      case 'exit':
        process.exit(command.code);
        break;
      default:
        throw new Failure(`no such op: ${command?.op}`);
    }
  },
});

async function* count(end) {
  for (let i = 0; i < end; i += 1) yield i;
  return 'streamed';
}
