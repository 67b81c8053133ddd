// @ts-check
'use strict';
// The exports of `require('procpool')`: workers and hosts.

require('./node-version.js');
const errors = require('./errors.js');
const { serve } = require('./worker/serve.js');

const { errorOfProblem, isFailure, isBadInput, ...classes } = errors;

module.exports = {
  serve,
  ...classes,
  // A worker does not need the host's side: it is loaded when it is asked for.
  get Pool() {
    return require('./host/pool.js').Pool;
  },
};
