'use strict';
// What a worker sends for each kind of value: JSON, or an error that names the place. Nothing is lost without a word
// but what docs/node.md lists.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Encoding } = require('../lib/wire/constants.js');
const { json } = require('../lib/host/codec.js');
const { startWorker } = require('./support/coordinator.js');
const { BIN, fixture } = require('./support/server.js');
const { REFUSED, WRITTEN } = require('./fixtures/values.js');

const command = [process.execPath, BIN, '--export', 'default', fixture('values.js')];
const isNamed = (name, text) => assert.ok(text.includes(name.trim()), text);

/** What becomes of the values that are written. */
const TEXTS = {
  nothing: 'null',
  'a member that is undefined': '{"b":1}',
  'an element that is undefined': '[null,1]',
  'a hole': '[null,1]',
  'a method': '{"a":1}',
  'minus zero': '[0,null]',
  'a date': '{"at":"1970-01-01T00:00:00.000Z","none":null}',
  'an instance': '{"x":1}',
  'a boxed number': '[5,"x",null]',
  'a lone surrogate': '"a\\ud800"',
  'a buffer inside': '{"bytes":{"type":"Buffer","data":[1]},"none":null}',
  'a toJSON': '{"a":null}',
  'a toJSON that returns itself': '{"a":null}',
  'an empty object': '[{},null,[],{}]',
  'deep lists': `${'['.repeat(1000)}null${']'.repeat(1000)}`,
};

test('values are written as the guide says', async (t) => {
  const worker = await startWorker(t, { command });
  assert.deepEqual(Object.keys(TEXTS), Object.keys(WRITTEN));
  for (const [name, text] of Object.entries(TEXTS)) {
    const { status, payload } = await worker.ask(name);
    assert.deepEqual([status, payload.toString()], ['OK', text], name);
  }
});

test('values that JSON would lose are an error of their job alone, which names the place', async (t) => {
  const worker = await startWorker(t, { command });
  for (const name of Object.keys(REFUSED)) {
    const { status, header } = await worker.ask(name);
    assert.equal(status, 'BROKE', name);
    isNamed(name, header.toString());
    isNamed('the output cannot be sent', header.toString());
  }
  assert.equal((await worker.ask('nothing')).status, 'OK');
});

test('inputs of a host are refused for the same reasons', () => {
  for (const [name, value] of Object.entries(REFUSED)) {
    assert.throws(
      () => json(value(), 'the input'),
      (error) => isNamed(name, error.message) || error instanceof TypeError,
    );
  }
  for (const [name, value] of Object.entries(WRITTEN)) assert.equal(json(value(), 'x'), TEXTS[name], name);
});

test('a text that is too long is an outcome', async (t) => {
  const worker = await startWorker(t, { command }, { max_payload: 1000 });
  assert.equal((await worker.ask('nothing')).status, 'OK');
  assert.equal((await worker.ask('deep lists')).status, 'TOO_LARGE');
  assert.equal((await worker.ask('a date')).status, 'OK');
});

test('numbers of an input are those of JavaScript', async (t) => {
  const own = [process.execPath, BIN, '--export', 'default', fixture('tasks.js')];
  const worker = await startWorker(t, { command: own });
  const send = (text) => worker.ask(undefined, { raw: Buffer.from(text), encoding: Encoding.JSON });
  const texts = {
    9007199254740993: '9007199254740992', // 2^53 + 1
    '{"a":1,"a":2}': '{"a":2}',
    '{"__proto__":1}': '{"__proto__":1}',
    '-0': '0',
  };
  for (const [input, output] of Object.entries(texts))
    assert.equal((await send(input)).payload.toString(), output);
  isNamed('Infinity is no JSON', (await send('1e999')).header.toString());
  for (const wrong of ['NaN', '', '[1,]', '\ufeff1', '"\u0001"'])
    assert.equal((await send(wrong)).status, 'BAD_INPUT', wrong);
});
