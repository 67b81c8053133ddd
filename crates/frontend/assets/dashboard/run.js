// Runs a job from the page: an input that fits the worker's schema, then its answer or its problem.

import { ApiError, call, curl, get } from './api.js';
import { Command } from './copy.js';
import { example } from './example.js';
import { Pane, Part } from './pane.js';
import { html, useEffect, useState } from './preact.js';

/** The part of an answer that is shown, in characters. */
const SHOWN = 20_000;

/** @param {{pool: string, close: () => void}} props */
export function RunPane({ pool, close }) {
  const path = `/v1/pools/${encodeURIComponent(pool)}/jobs`;
  const [input, setInput] = useState('');
  const [schema, setSchema] = useState(/** @type {any} */ (undefined));
  const [end, setEnd] = useState(/** @type {any} */ (undefined));
  const [isRunning, setRunning] = useState(false);
  useEffect(() => {
    get(`/v1/pools/${encodeURIComponent(pool)}`).then(
      ({ schemas }) => {
        setSchema(schemas?.input ?? null);
        setInput(
          (now) => now || JSON.stringify(schemas?.input ? example(schemas.input) : null, undefined, 2),
        );
      },
      () => setSchema(null),
    );
  }, [pool]);
  const mistake = mistakeOf(input);
  const submit = async (event) => {
    event.preventDefault();
    setRunning(true);
    setEnd(undefined);
    const began = performance.now();
    try {
      const { text, headers } = await call('POST', path, { body: input });
      setEnd({ text, job: headers.get('job-id'), took: performance.now() - began });
    } catch (/** @type {any} */ error) {
      setEnd({
        problem: error instanceof ApiError ? (error.problem ?? error.message) : String(error),
        took: performance.now() - began,
      });
    }
    setRunning(false);
  };
  return html`<${Pane} title=${`Run a job in ${pool}`} close=${close}>
    <form class="run" onSubmit=${submit}>
      <label for="input">Input, as JSON</label>
      <textarea id="input" rows="8" spellcheck="false" value=${input} onInput=${(event) => setInput(event.target.value)} aria-describedby="mistake"></textarea>
      <p id="mistake" class="problem" role="status">${mistake}</p>
      <button class="primary" disabled=${isRunning || mistake !== ''}>${isRunning ? 'running …' : 'Run'}</button>
    </form>
    ${end && html`<${End} end=${end} />`}
    ${schema && html`<${Part} title="Schema of the input"><pre class="log" tabindex="0">${JSON.stringify(schema, undefined, 2).slice(0, SHOWN)}</pre><//>`}
    <${Command} label="the same in a shell" text=${curl('POST', path, input)} />
  <//>`;
}

/** @param {{end: any}} props */
function End({ end }) {
  const { problem, text, job, took } = end;
  if (problem) {
    const detail = typeof problem === 'string' ? problem : problem.detail;
    return html`<${Part} title=${problem.title ?? 'It failed'}>
      <p class="problem" role="alert">${detail}</p>
      ${typeof problem === 'object' && html`<pre class="log" tabindex="0">${JSON.stringify(problem, undefined, 2).slice(0, SHOWN)}</pre>`}
    <//>`;
  }
  return html`<${Part} title=${`Output, after ${took.toFixed(0)} ms`}>
    <pre class="log" tabindex="0">${text.slice(0, SHOWN)}</pre>
    ${job && html`<p class="muted">job <code>${job}</code></p>`}
  <//>`;
}

/** @param {string} input */
function mistakeOf(input) {
  try {
    JSON.parse(input || 'null');
    return '';
  } catch (/** @type {any} */ error) {
    return error.message;
  }
}
