// The pane of a death: how the worker ended, the evidence, and three commands to go on with.

import { optional } from './api.js';
import { Command } from './copy.js';
import { title } from './deaths.js';
import { bytes, clock, millis } from './format.js';
import { Facts, Pane, Part } from './pane.js';
import { html } from './preact.js';
import { Stack } from './stack.js';
import { usePoll } from './poll.js';

/** @param {{death: import('./model.js').Death, may: (scope: string) => boolean, close: () => void}} props */
export function DeathPane({ death, may, close }) {
  const { value } = usePoll((signal) => (death.id === undefined ? Promise.resolve(undefined) : optional(`/v1/deaths/${death.id}`, { signal })), 60_000, [death.id]);
  const it = { ...death, ...value };
  const report = it.report ?? it;
  const stderr = report.stderr ?? [];
  return html`<${Pane} title=${title(it)} close=${close}>
    <${Facts}
      rows=${[
        ['worker', `${report.worker ?? it.worker}${report.pid ? `, pid ${report.pid}` : ''}`],
        ['at', clock(it.at)],
        ['cause', it.cause],
        ['signal', report.signal_name ?? report.signal],
        ['exit code', report.exit_code],
        ['limit', report.limit_hit && JSON.stringify(report.limit_hit)],
        ['job', it.job && html`<code>${it.job}</code>`],
        ['peak memory', report.peak_memory_bytes && bytes(report.peak_memory_bytes)],
        ['processor', report.cpu_ms !== undefined && millis(report.cpu_ms)],
        ['up', report.uptime_ms !== undefined && millis(report.uptime_ms)],
        ['jobs done', report.jobs_done],
        ['payload', it.payload && `${bytes(it.payload.bytes ?? 0)}${it.payload.deaths > 1 ? `, has killed ${it.payload.deaths} workers` : ''}${it.payload.quarantined ? ', in quarantine' : ''}`],
      ]}
    />
    ${report.stack && html`<${Part} title="Stack"><${Stack} stack=${report.stack} /><//>`}
    <${Part} title="Last lines of standard error">
      ${stderr.length > 0 ? html`<pre class="log" tabindex="0">${stderr.join('\n')}</pre>` : html`<p class="muted">${may('debug') ? 'It wrote nothing.' : 'They need the scope debug.'}</p>`}
    <//>
    ${it.replay &&
    html`<${Part} title="Once more">
      <${Command} label="run the job again" text=${`procpool replay ${it.replay}`} />
      <${Command} label="under a debugger" text=${`procpool replay ${it.replay} --wrap 'gdb --args'`} />
    <//>`}
    ${it.job &&
    may('submit') &&
    html`<${Part} title="Send it again"><${Command} label="if the server still has it" text=${`curl -X POST ${location.origin}/v1/jobs/${it.job}/rerun`} /><//>`}
  <//>`;
}
