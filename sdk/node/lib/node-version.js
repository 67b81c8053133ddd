// @ts-check
'use strict';
// Refuses a Node that is too old, before any file is loaded that it could not even parse.

const OLDEST = 18;

const { node } = process.versions;
if (Number.parseInt(node, 10) < OLDEST) {
  throw new Error(
    `procpool needs Node.js ${OLDEST} or later, and ${process.execPath} is ${node}: ` +
      'name a newer one by its path, in `command` for a worker',
  );
}
