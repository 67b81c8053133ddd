// A command to copy.

import { html, useState } from './preact.js';

/** @param {{text: string, label?: string}} props */
export function Command({ text, label }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS there is no clipboard; the selection has it all the same.
      const range = document.createRange();
      range.selectNodeContents(/** @type {HTMLElement} */ (document.getElementById(id)));
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  const [id] = useState(() => `command-${Math.random().toString(36).slice(2)}`);
  return html`<div class="command">
    ${label && html`<span class="muted">${label}</span>`}
    <code id=${id} tabindex="0">${text}</code>
    <button class="plain" onClick=${copy} aria-label=${`Copy ${label ?? 'the command'}`}>
      ${isCopied ? 'copied' : 'copy'}
    </button>
  </div>`;
}
