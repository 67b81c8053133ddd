// The pane of a death: how the worker ended, the evidence, and three commands to go on with.

import { optional } from './api.js';
import { Command } from './copy.js';
import { bytes, clock, millis } from './format.js';
import { title } from './groups.js';
import { Facts, Pane, Part } from './pane.js';
import { usePoll } from './poll.js';
import { html } from './preact.js';
import { Stack } from './stack.js';

/** @param {{death: import('./model.js').Death, may: (scope: string) => boolean, close: () => void}} props */
export function DeathPane({ death, may, close }) {
  const { value } = usePoll(
    (signal) =>
      death.id === undefined || !may('debug')
        ? Promise.resolve(undefined)
        : optional(`/v1/deaths/${death.id}`, { signal }),
    60_000,
    [death.id],
  );
  const it = { ...death, ...value };
  const stderr = it.stderr ?? [];
  return html`<${Pane} title=${title(it)} close=${close}>
    <${Facts}
      rows=${[
        ['worker', `${it.worker}${it.pid ? `, pid ${it.pid}` : ''}`],
        ['at', clock(it.at)],
        ['cause', it.cause],
        ['signal', it.signal_name ?? it.signal],
        ['fault address', it.fault_address],
        ['exit code', it.exit_code],
        ['limit', it.limit_hit && JSON.stringify(it.limit_hit)],
        ['job', it.job && html`<code>${it.job}</code>`],
        ['peak memory', it.peak_memory_bytes && bytes(it.peak_memory_bytes)],
        ['processor', it.cpu_ms !== undefined && millis(it.cpu_ms)],
        ['up', it.uptime_ms !== undefined && millis(it.uptime_ms)],
        ['jobs done', it.jobs_done],
        [
          'payload',
          it.payload &&
            `${bytes(it.payload.bytes ?? 0)}${it.payload.deaths > 1 ? `, has killed ${it.payload.deaths} workers` : ''}${it.payload.quarantined ? ', in quarantine' : ''}`,
        ],
      ]}
    />
    ${it.stack && html`<${Part} title="Stack"><${Stack} stack=${it.stack} /><//>`}
    <${Part} title="Last lines of standard error">
      ${stderr.length > 0 ? html`<pre class="log" tabindex="0">${stderr.join('\n')}</pre>` : html`<p class="muted">${may('debug') ? 'It wrote nothing.' : 'They need the scope debug.'}</p>`}
    <//>
    ${(it.commands ?? []).length > 0 && html`<${Part} title="Once more">${it.commands.map((text) => html`<${Command} key=${text} text=${text} />`)}<//>`}
    ${
      it.job &&
      value === undefined &&
      may('submit') &&
      html`<${Part} title="Send it again"><${Command} label="if the server still has it" text=${`curl -X POST ${location.origin}/v1/jobs/${it.job}/rerun`} /><//>`
    }
  <//>`;
}
