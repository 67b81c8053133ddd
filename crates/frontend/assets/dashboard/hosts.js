// The hosts of the cluster, on servers that have one.

import { get } from './api.js';
import { count, duration } from './format.js';
import { running, slots, summary } from './nodes.js';
import { usePoll } from './poll.js';
import { html, useState } from './preact.js';

const SHOWN = 12;

/** Time between two looks, in milliseconds. Nodes tell of themselves less often. */
const EVERY = 3000;

/** @param {{who: string}} props */
export function Hosts({ who }) {
  const [isLong, setLong] = useState(false);
  const { value, isKnown, hasFailed } = usePoll((signal) => get('/v1/hosts', { signal }), EVERY, [who]);
  /** @type {import('./nodes.js').Host[]} */
  const hosts = value?.hosts ?? [];
  const shown = isLong ? hosts : hosts.slice(0, SHOWN);
  return html`<section class="panel hosts" aria-labelledby="hosts">
    <header><h2 id="hosts">Hosts</h2><span class="muted">${hosts.length > 0 && summary(hosts)}</span></header>
    ${hasFailed && html`<p class="empty" role="status">The cluster does not answer. ${hosts.length > 0 && 'What you see is how it was.'}</p>`}
    ${!hasFailed && isKnown && hosts.length === 0 && html`<p class="empty">No node has told of itself in the last day. Jobs wait for one.</p>`}
    ${
      hosts.length > 0 &&
      html`<div class="table" tabindex="0" role="region" aria-label="Hosts of the cluster">
        <table>
          <caption class="hidden">Hosts of the cluster</caption>
          <thead><tr>${['node', 'state', 'seen', 'running', 'slots', 'done', 'late', 'fenced', 'version'].map((it) => html`<th scope="col" key=${it}>${it}</th>`)}</tr></thead>
          <tbody>
            ${shown.map(
              (host) => html`<tr key=${host.node}>
                <th scope="row" title=${`${host.host}, process ${host.pid}`}>${host.node}</th>
                <td class=${host.state === 'gone' ? 'bad' : ''}>${host.state}</td>
                <td>${duration(Math.floor(host.seen_ms / 1000)).replace(/\.0/, '')}</td>
                <td>${running(host)}</td>
                <td>${slots(host)}</td>
                <td>${count(host.told)}</td>
                <td>${count(host.late)}</td>
                <td>${count(host.fenced)}</td>
                <td>${host.version}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>`
    }
    ${hosts.length > SHOWN && html`<button class="plain more" onClick=${() => setLong(!isLong)}>${isLong ? 'fewer' : `${hosts.length - SHOWN} more`}</button>`}
  </section>`;
}
