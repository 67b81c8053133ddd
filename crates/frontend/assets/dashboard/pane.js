// The pane at the side of the page. Escape closes it, and the focus goes back to where it was.

import { html, useEffect, useRef } from './preact.js';

/** @param {{title: string, close: () => void, children: any, badge?: any}} props */
export function Pane({ title, close, children, badge }) {
  const pane = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const before = document.activeElement;
    pane.current?.focus();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  const press = (event) => {
    if (event.key === 'Escape') close();
  };
  return html`<div class="pane" ref=${pane} tabindex="-1" role="dialog" aria-label=${title} onKeyDown=${press}>
    <div class="pane-head">
      <h2>${title}</h2>
      ${badge}
      <button class="plain close" aria-label="Close" onClick=${close}>×</button>
    </div>
    <div class="pane-body" tabindex="0">${children}</div>
  </div>`;
}

/** @param {{title: string, children: any}} props */
export function Part({ title, children }) {
  return html`<section class="part"><h3>${title}</h3>${children}</section>`;
}

/** @param {{rows: [string, any][]}} props rows without a value are left out */
export function Facts({ rows }) {
  const shown = rows.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return html`<dl class="facts">${shown.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
