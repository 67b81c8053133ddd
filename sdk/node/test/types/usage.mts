// Compiled, not run: how programs in TypeScript use the package.

import { type Context, Failure, JobError, Pool, type StandardSchema, serve } from 'procpool';

declare const Text: StandardSchema<string>;

serve((text: string) => text.length);

serve(async function* words(text: string, ctx: Context) {
  for (const word of text.split(' ')) yield word;
  ctx.check();
  return 'done';
});

serve({
  name: 'lengths',
  version: 2,
  build: '1.0.0',
  input: Text,
  output: { type: 'integer' },
  guard: false,
  async init({ workerData, worker }) {
    console.log(workerData, worker);
  },
  async run(text, { signal, remaining, progress }) {
    progress(1n, 2);
    await fetch(text.toUpperCase(), { signal });
    if (remaining < 10) throw new Failure('late', { code: 'late', details: { remaining }, retryable: true });
    return text.length;
  },
});

// @ts-expect-error A job has a function.
serve({ name: 'nothing' });

export async function host(): Promise<number> {
  const pool = new Pool({ filename: new URL('./task.js', import.meta.url), maxThreads: 2, timeout: '5s' });
  // @ts-expect-error There is no such option.
  new Pool({ filename: 'x.js', treads: 1 });
  const remote = Pool.at('http://127.0.0.1:3000', 'resize');
  try {
    await remote.run(new Uint8Array(1), { timeout: 100, signal: AbortSignal.timeout(10) });
  } catch (error) {
    if (error instanceof JobError && !error.mayHaveRun) return pool.queueSize;
  }
  await pool.close();
  return pool.run(7, { name: 'double' });
}
