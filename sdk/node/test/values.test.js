'use strict';
// Everything that needs no connection: schemas, header messages, outcomes, and both ways to load the package.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { inspect } = require('node:util');
const { Encoding, Flag, Kind, Status } = require('../lib/wire/constants.js');
const { frame, preamble } = require('../lib/wire/frames.js');
const { JobHeader, readCredit } = require('../lib/wire/header-reader.js');
const headers = require('../lib/wire/headers.js');
const { BadInput, Failure } = require('../lib/errors.js');
const outcomes = require('../lib/worker/outcome.js');
const { defineJob, describe } = require('../lib/worker/definition.js');
const { schemaHash } = require('../lib/worker/schema-hash.js');
const { startWorker } = require('./support/coordinator.js');
const { fixture } = require('./support/server.js');

const WIRE = path.join(__dirname, '..', '..', '..', 'crates', 'protocol', 'WIRE.md');
const document = fs.existsSync(WIRE) ? fs.readFileSync(WIRE, 'utf8') : undefined;
const needsDocument = { skip: document === undefined && 'WIRE.md is not here' };

/** What is said of an error whose every part throws. */
const UNREADABLE = 'an error without a text';

/** The block of WIRE.md with this name. */
function block(language, name) {
  return new RegExp(`^\`\`\`${language} ${name}\\n(.*?)^\`\`\``, 'ms').exec(document)[1];
}

/** The bytes of a block, in which `#` begins a comment. */
function hex(name) {
  return Buffer.from(block('hex', name).replace(/#.*/g, '').replace(/\s/g, ''), 'hex');
}

test('header messages are those of WIRE.md', needsDocument, () => {
  const failed = { code: 'too_large', message: 'n is 94', details: { limit: 93 } };
  const broke = { code: 'KeyError', message: 'no such key' };
  const extras = { contentType: 'image/png', cpuTime: 1000n, peakMemory: 12n << 20n };
  const expected = {
    preamble: preamble(),
    varints: Buffer.concat(
      [0, 250, 251, 65535, 65536, 4294967295, 4294967296, (1n << 64n) - 1n].map(headers.varint),
    ),
    'frame-ready': frame(Kind.READY),
    'frame-pong': frame(Kind.PONG, { sequence: 7n }),
    'frame-done': frame(Kind.DONE, {
      header: headers.done(headers.ok, 1500n),
      payload: Buffer.from('102334155'),
      encoding: Encoding.JSON,
      flags: Flag.END,
      sequence: 1n,
    }),
    'done-ok': headers.done(headers.ok, 1500n),
    'done-bad-input': headers.done(headers.badInput('no'), 0n),
    'done-failed': headers.done(headers.failed(failed), 800n),
    'done-panicked': headers.done(headers.panicked('boom', 'src/main.rs:7:5'), 900n),
    'done-cancelled': headers.done(headers.cancelled, 70_000n),
    'done-too-large': headers.done(headers.tooLarge(100_000_000, 1 << 26), 5_000_000_000n),
    'done-broke': headers.done(headers.broke(broke), 600n),
    'done-with-extras': headers.done(headers.ok, 1500n, extras),
    failure: headers.failure({ code: 'failed', message: 'nope', retryable: true }),
    progress: headers.progress(3, 10),
    'progress-of-unknown-total': headers.progress(251n, undefined),
  };
  for (const [name, bytes] of Object.entries(expected))
    assert.equal(bytes.toString('hex'), hex(name).toString('hex'), name);
  const job = new JobHeader(hex('job'));
  assert.deepEqual(
    [job.id, job.attempt, job.remaining, job.reply, job.credit],
    ['000102030405060708090a0b0c0d0e0f', 1, 30_000_000_000, 2, 16],
  );
  const other = new JobHeader(hex('job-with-extra'));
  assert.deepEqual(
    [other.attempt, other.remaining, other.credit, other.extras.get(1).toString()],
    [2, undefined, undefined, 'abc'],
  );
  assert.equal(readCredit(hex('credit')), 8);
});

test('schema hashes are those of WIRE.md', needsDocument, () => {
  const blocks = [...document.matchAll(/^```schema (\S+)\n(.*)\n(.*)\n(.*)\n```/gm)];
  assert.ok(blocks.length >= 5);
  for (const [, name, input, output, hash] of blocks) {
    const found = schemaHash(JSON.parse(input), JSON.parse(output));
    // JavaScript cannot write `1.0`, nor hold large integers: no hash is better than another one.
    if (/^(integers|fractions)/.test(name)) assert.equal(found, undefined, name);
    else assert.equal(found, hash, name);
  }
});

test('varints may be longer than they need, but no wider than their type', () => {
  assert.equal(readCredit(Buffer.from('fb0100', 'hex')), 1);
  for (const wrong of ['fe', 'fb01', 'fd0100000000000000', '0100', '']) {
    assert.throws(() => readCredit(Buffer.from(wrong, 'hex')));
  }
});

const EVEN = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) =>
      value % 2 === 0 ? { value: value / 2 } : { issues: [{ message: 'is odd', path: ['a', { key: 0 }] }] },
    jsonSchema: { input: () => ({ type: 'integer', multipleOf: 2 }) },
  },
};

test('a Standard Schema is shown if it can be', () => {
  const { input, output } = describe(
    defineJob({ name: 'half', input: EVEN, output: { type: 'integer' }, run() {} }),
  );
  assert.deepEqual([input, output], [{ type: 'integer', multipleOf: 2 }, { type: 'integer' }]);
  const long = { description: 'x'.repeat(70_000) };
  const short = describe(defineJob({ name: 'long', input: long, output: true, run() {} }));
  assert.deepEqual([short.input, short.schema_hash.length], [undefined, 16]);
});

test('definitions that are none are refused', () => {
  for (const wrong of [undefined, null, 7, {}, { run: 1 }])
    assert.throws(() => defineJob(wrong), /takes a function/);
  for (const wrong of [{ name: '' }, { version: 1.5 }, { version: -1 }, { build: 1 }, { init: 1 }]) {
    assert.throws(() => defineJob({ run() {}, ...wrong }), TypeError);
  }
});

test('an ES module with a Standard Schema is a worker', async (t) => {
  const worker = await startWorker(t, { command: [process.execPath, fixture('module.mjs')] });
  assert.equal((await worker.ask(8)).value, 'half of it: 4!');
  const refused = await worker.ask(7);
  assert.equal(refused.status, 'BAD_INPUT');
  assert.ok(refused.header.includes('a.0: is odd'));
  const { status, encoding, header } = await worker.ask(-2);
  assert.deepEqual([status, encoding], ['OK', Encoding.RAW]);
  assert.ok(header.includes('\x01\x0atext/plain'));
  assert.equal((await worker.ask(-4)).status, 'BROKE');
});

test('errors of another copy of the package count as well', () => {
  const file = require.resolve('../lib/errors.js');
  const { threw } = require('../lib/worker/outcome.js');
  delete require.cache[file];
  const other = require(file);
  assert.equal(threw(new other.Failure('no'), false).status[0], 2);
  assert.equal(threw(new other.BadInput('no'), false).status[0], 1);
  assert.equal(threw(null, false).status[0], 6);
});

test('require and import give the same', async () => {
  const required = require('procpool');
  const imported = await import('procpool');
  for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name);
});

test('whatever is thrown is an outcome', (t) => {
  t.mock.method(console, 'error', (error) => inspect(error));
  const raise = () => {
    throw new Error('from a getter');
  };
  const withGetter = (key) => Object.defineProperty(new Error('x'), key, { get: raise });
  const statusOf = (error) => outcomes.threw(error, false).status;
  const broke = (code, message) => headers.broke({ code, message });
  for (const key of ['message', 'stack', 'name', 'code'])
    assert.equal(statusOf(withGetter(key))[0], Status.BROKE, key);
  assert.deepEqual(
    statusOf(new Proxy({}, { get: raise, getPrototypeOf: raise })),
    broke('error', UNREADABLE),
  );
  assert.deepEqual(statusOf(Object.assign(new Error('x'), { name: 5, stack: '' })), broke('Error', 'x'));
  assert.deepEqual(
    statusOf(new Failure('x', { code: 404 })),
    headers.failed({ code: '404', message: 'x', details: undefined }),
  );
  assert.deepEqual(
    statusOf(Object.assign(new Failure('x'), { code: undefined, message: null })),
    headers.failed({ code: 'failed', message: 'null' }),
  );
  assert.deepEqual(statusOf(Object.assign(new BadInput('x'), { message: 5 })), headers.badInput('5'));
  assert.equal(outcomes.panicked(withGetter('name')).status[0], Status.PANICKED);
});
