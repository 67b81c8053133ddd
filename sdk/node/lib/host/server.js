// @ts-check
'use strict';
// A `procpool serve` that a Pool starts for itself. It ends with this process, however this process ends.

const { spawn } = require('node:child_process');
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { configuration } = require('./pool-keys.js');

/** Name of the only pool. */
const POOL = 'pool';
/** Length of the end of the log that an error quotes, in characters. */
const LOG_TAIL = 4096;
/** Shows what workers print, where the program's own environment says nothing else. */
const RUST_LOG = 'warn,procpool::stdout=info,procpool::stderr=info';

class Server {
  #child;
  #socket;
  #log = '';
  #isListening = false;

  /**
   * @param {Record<string, any>} keys of the pool
   * @param {string} [listen] default: a Unix socket of this server's own
   */
  constructor(keys, listen) {
    // The server removes its socket. Nothing else is left behind, however this process ends.
    this.#socket = path.join(process.env.XDG_RUNTIME_DIR ?? os.tmpdir(), `procpool-${randomUUID()}.sock`);
    this.#child = spawn(findProcpool(), ['serve', '--config', '-', '--exit-with-parent'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { RUST_LOG, ...process.env },
    });
    this.#child.stdin.on('error', () => {}); // Its end says why.
    this.#child.stdin.end(configuration(listen ?? `unix:${this.#socket}`, POOL, keys));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => this.#logged(text));
    /** Resolves to an `Error` once the server has ended. */
    this.ended = this.#end();
    /** Resolves to the URL once the server takes jobs. */
    this.listening = this.#listen();
    this.listening.catch(() => {}); // Each job that waits for it is told.
  }

  /** @param {string} text */
  #logged(text) {
    if (this.#isListening) process.stderr.write(text);
    else this.#log = (this.#log + text).slice(-LOG_TAIL);
  }

  /** @returns {Promise<Error>} */
  async #end() {
    const how = await new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message));
      // A server that never served has said why: all of its log is needed. Later, nobody waits for its streams.
      const conclude = (/** @type {number | null} */ code, /** @type {string | null} */ signal) =>
        resolve(signal ?? `exit code ${code}`);
      this.#child.on('exit', (code, signal) => this.#isListening && conclude(code, signal));
      this.#child.on('close', conclude);
    });
    fs.rmSync(this.#socket, { force: true }); // A server that was killed leaves it.
    const log = this.#log.trim();
    const hint = /ENOENT/.test(how) ? '. Install procpool, put it on PATH, or name it in $PROCPOOL' : '';
    return new Error(`\`procpool serve\` ended: ${how}${hint}${log === '' ? '' : `\n${log}`}`);
  }

  /** @returns {Promise<string>} */
  async #listen() {
    const lines = createInterface(this.#child.stdout);
    const first = new Promise((resolve) => lines.once('line', resolve));
    const line = await Promise.race([first, this.ended]);
    if (line instanceof Error) throw line;
    this.#isListening = true;
    this.#unref();
    return String(line).replace(/^listening on /, '');
  }

  /** An idle pool does not keep its program alive. Jobs do, by their connections. */
  #unref() {
    this.#child.unref();
    for (const stream of [this.#child.stdout, this.#child.stderr]) /** @type {any} */ (stream).unref();
  }

  /** Lets running jobs finish, then ends. Resolves once it has ended. */
  async close() {
    this.#child.ref();
    this.#child.kill('SIGTERM');
    await this.ended;
  }

  /** Ends at once. Its workers end with it. Resolves once it has ended. */
  async kill() {
    this.#child.ref();
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** Returns $PROCPOOL, the executable of the package for this platform, or a name to be searched on PATH. */
function findProcpool() {
  if (process.env.PROCPOOL) return process.env.PROCPOOL;
  try {
    return require.resolve(`@procpool/${process.platform}-${process.arch}-gnu/bin/procpool`);
  } catch {
    return 'procpool';
  }
}

module.exports = { Server, POOL };
