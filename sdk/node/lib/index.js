// @ts-check
'use strict';
// What `require('procpool')` gives: workers and hosts.

const errors = require('./errors.js');
const { serve } = require('./worker/serve.js');

const { errorOfProblem: _, ...classes } = errors;

module.exports = { serve, ...classes };
