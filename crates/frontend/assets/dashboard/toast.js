// Short notes at the edge of the page: what an order did, and the line that does the same in a shell.

import { Command } from './copy.js';
import { html, useEffect, useState } from './preact.js';

/** @type {{id: number, text: string, command?: string, isError: boolean}[]} */
let notes = [];
let number = 0;
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * @param {string} text
 * @param {{command?: string, isError?: boolean}} [options]
 */
export function note(text, { command, isError = false } = {}) {
  number += 1;
  const id = number;
  notes = [...notes.slice(-3), { id, text, command, isError }];
  tell();
  setTimeout(() => drop(id), isError ? 12_000 : 8000);
}

/** @param {number} id */
function drop(id) {
  notes = notes.filter((it) => it.id !== id);
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}

export function Notes() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((it) => it + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return html`<div class="notes" role="status" aria-live="polite">
    ${notes.map(
      (it) => html`<div key=${it.id} class=${it.isError ? 'note error' : 'note'}>
        <div class="note-text">
          <span>${it.text}</span>
          <button class="plain" aria-label="Dismiss" onClick=${() => drop(it.id)}>×</button>
        </div>
        ${it.command && html`<${Command} text=${it.command} />`}
      </div>`,
    )}
  </div>`;
}
