// @ts-check
'use strict';
// Structured clone to bytes and back, as between threads: Map, Date, BigInt, Error, typed arrays, cycles.

const v8 = require('node:v8');
const { MessagePort } = require('node:worker_threads');

/** A value that cannot cross a process. Its name is that of the error that threads throw. */
class CloneError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'DataCloneError';
  }
}

const WHY = 'it is a place in this process, and the worker is another process';

class Serializer extends v8.Serializer {
  /** @param {object} object one that V8 does not know how to clone */
  _writeHostObject(object) {
    const name = object.constructor?.name ?? 'object';
    throw new CloneError(`a ${name} cannot be sent: ${WHY}`);
  }

  _getSharedArrayBufferId() {
    throw new CloneError(
      'a SharedArrayBuffer cannot be shared: processes have no memory in common. Send a copy, such as buffer.slice(0)',
    );
  }

  /** @param {string} message */
  _getDataCloneError(message) {
    return new CloneError(message);
  }
}

/**
 * @param {unknown} value
 * @returns {Buffer}
 * @throws {CloneError}
 */
function serialize(value) {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/**
 * @param {Buffer} bytes
 * @returns {any}
 */
function deserialize(bytes) {
  const deserializer = new v8.Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

/**
 * Makes buffers unusable here, as a transfer between threads does.
 *
 * @param {readonly unknown[] | undefined} list
 * @throws {CloneError}
 */
function detach(list) {
  for (const item of list ?? []) {
    if (item instanceof ArrayBuffer) structuredClone(item, { transfer: [item] });
    else if (item instanceof MessagePort) {
      throw new CloneError(
        'a MessagePort cannot be transferred: its other end is in this process, and the worker in another',
      );
    } else {
      throw new CloneError(`a ${Object(item).constructor?.name} cannot be transferred to another process`);
    }
  }
}

module.exports = { serialize, deserialize, detach, CloneError };
