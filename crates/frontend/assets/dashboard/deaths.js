// The wall of deaths: those that the server remembers, in groups of one signature where it knows them.

import { showsDeath } from './find.js';
import { ago } from './format.js';
import { grouped, title } from './groups.js';
import { html, useState } from './preact.js';

const SHOWN = 12;

/**
 * @param {{deaths: import('./model.js').Death[], now: number, filter: import('./find.js').Filter,
 *   open: (death: import('./model.js').Death) => void}} props
 */
export function Deaths({ deaths, now, filter, open }) {
  const [isLong, setLong] = useState(false);
  const groups = grouped(deaths.filter((it) => showsDeath(filter, it, now)));
  const shown = isLong ? groups : groups.slice(0, SHOWN);
  return html`<section class="panel" aria-labelledby="deaths">
    <header><h2 id="deaths">Deaths</h2><span class="muted">${deaths.length > 0 && `${deaths.reduce((all, it) => all + (it.count ?? 1), 0)} remembered`}</span></header>
    ${
      groups.length === 0
        ? html`<p class="empty">${deaths.length === 0 ? 'No worker has died. Calm seas.' : 'No death is shown by this filter.'}</p>`
        : html`<ul class="rows deaths">
          ${shown.map(
            ({ newest, count, payloads }) => html`<li key=${newest.group ?? newest.worker}>
              <button class="row" onClick=${() => open(newest)}>
                <span class="cross" aria-hidden="true">✕</span>
                <span class="what">${title(newest)}</span>
                ${count > 1 && html`<span class="badge bad">×${count}</span>`}
                ${payloads > 1 && html`<span class="muted">${payloads} payloads</span>`}
                <span class="muted">${newest.worker}</span>
                <span class="number muted">${ago(newest.at, now)}</span>
              </button>
            </li>`,
          )}
        </ul>`
    }
    ${groups.length > SHOWN && html`<button class="plain more" onClick=${() => setLong(!isLong)}>${isLong ? 'fewer' : `${groups.length - SHOWN} more`}</button>`}
  </section>`;
}
