'use strict';
// The job `conformance-keep`: returns the input of the job before, which it has kept.

const { serve } = require('procpool');

let kept = Buffer.alloc(0);

serve({
  name: 'conformance-keep',
  version: 1,
  run(body) {
    if (!(body instanceof Uint8Array)) throw new TypeError('raw bytes are needed');
    const before = kept;
    kept = body;
    return before;
  },
});
