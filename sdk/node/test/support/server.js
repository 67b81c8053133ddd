'use strict';
// A real `procpool serve` for tests. Found in $PROCPOOL, or else on PATH; without it, these tests are skipped.

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');

const PROCPOOL = process.env.PROCPOOL ?? 'procpool';
const isThere = spawnSync(PROCPOOL, ['--version']).status === 0;
/** Options of tests that need the server. */
const needsServer = { skip: isThere ? false : `no procpool: set PROCPOOL, or put ${PROCPOOL} on PATH` };

const BIN = path.join(__dirname, '..', '..', 'bin', 'procpool-node.js');
const fixture = (name) => path.join(__dirname, '..', 'fixtures', name);
const program = (name) => path.join(__dirname, '..', 'programs', name);

/** Starts a server with these pools, each a table of keys, and ends it with the test. */
async function startServer(t, pools) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'procpool-test-'));
  const file = path.join(directory, 'procpool.toml');
  const tables = Object.entries(pools).map(([name, keys]) => {
    const lines = Object.entries({ max_workers: 1, breaker_failures: 0, ...keys }).map(
      ([key, value]) => `${key} = ${JSON.stringify(value)}`,
    );
    return [`[pools.${name}]`, ...lines].join('\n');
  });
  fs.writeFileSync(file, `[server]\nlisten = "127.0.0.1:0"\n${tables.join('\n')}\n`);
  const server = spawn(PROCPOOL, ['serve', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = { text: '' };
  server.stderr.on('data', (data) => {
    log.text += data;
  });
  const ended = once(server, 'close');
  t.after(async () => {
    server.kill('SIGKILL');
    await ended;
    fs.rmSync(directory, { recursive: true, force: true });
  });
  const [line] = await Promise.race([once(createInterface(server.stdout), 'line'), ended]);
  if (typeof line !== 'string') throw new Error(`the server ended: ${log.text}`);
  const base = line.replace('listening on ', '');
  /** Posts a job. Bytes are sent as bytes, anything else as JSON. */
  const post = async (pool, input, { query = '' } = {}) => {
    const isBytes = input instanceof Uint8Array;
    const response = await fetch(`${base}/v1/pools/${pool}/jobs${query}`, {
      method: 'POST',
      body: isBytes ? input : JSON.stringify(input),
      headers: { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' },
    });
    const isJson = response.headers.get('content-type').includes('json');
    const body = isJson ? await response.json() : Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
  };
  const workers = async (pool) => (await (await fetch(`${base}/v1/pools/${pool}/workers`)).json()).workers;
  return { base, post, workers, log, server };
}

module.exports = { startServer, needsServer, fixture, program, BIN, PROCPOOL };
