// @ts-check
'use strict';
// Names that a thread and its probe agree on.

/** Key of the environment data that carries the probe's cell. */
const PROBE_KEY = 'procpool.probe';
/** Values of the cell. */
const LISTENS = 1;
const DOES_NOT_LISTEN = 2;

module.exports = { PROBE_KEY, LISTENS, DOES_NOT_LISTEN };
