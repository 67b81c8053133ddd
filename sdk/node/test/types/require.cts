// Compiled, not run: a program in TypeScript that is CommonJS.

import procpool = require('procpool');

procpool.serve(({ width, height }: { width: number; height: number }) => new Uint8Array(width * height));

export const failure: Error = new procpool.Failure('no');
