// A stack, as the server tells it.

import { html } from './preact.js';

/** @param {{stack: any}} props */
export function Stack({ stack }) {
  const threads = stack?.threads ?? (stack?.frames ? [stack] : []);
  if (threads.length === 0)
    return html`<p class="muted">${stack?.note ?? stack?.missing ?? 'There is no stack.'}</p>`;
  return html`<div class="stack">
    ${threads.map(
      (thread) => html`<div>
        ${threads.length > 1 && html`<div class="muted">${thread.name ?? `thread ${thread.id ?? thread.tid ?? ''}`}</div>`}
        <ol>${(thread.frames ?? []).map((frame) => html`<li><code>${frame.function ?? frame.address ?? '?'}</code> <span class="muted">${where(frame)}</span></li>`)}</ol>
      </div>`,
    )}
    ${stack.note && html`<p class="muted">${stack.note}</p>`}
  </div>`;
}

/** @param {any} frame */
function where(frame) {
  if (frame.file) return `${frame.file.split('/').slice(-2).join('/')}${frame.line ? `:${frame.line}` : ''}`;
  return frame.module
    ? `${frame.module.split('/').at(-1)}${frame.offset === undefined ? '' : `+0x${Number(frame.offset).toString(16)}`}`
    : '';
}
