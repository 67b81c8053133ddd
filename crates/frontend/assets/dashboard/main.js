// The page: follows the stream, and puts its panels together.

import { optional } from './api.js';
import { repaint } from './colours.js';
import { DeathPane } from './death.js';
import { Deaths } from './deaths.js';
import { NoPools, Waiting } from './empty.js';
import { ifThere } from './features.js';
import { parse, showsPool } from './find.js';
import { Header } from './header.js';
import { HelpPane } from './help.js';
import { Hosts } from './hosts.js';
import { listen } from './keys.js';
import { Longest } from './longest.js';
import { Model } from './model.js';
import { orders } from './orders.js';
import { usePoll } from './poll.js';
import { PoolPanel } from './pool.js';
import { html, render, useEffect, useRef, useState } from './preact.js';
import { remembered } from './remembered.js';
import { RunPane } from './run.js';
import { SignIn, signOut, who } from './session.js';
import { follow } from './stream.js';
import { Notes, note } from './toast.js';
import { WorkerPane } from './worker.js';

const HOUR = 3_600_000;

/**
 * @typedef {{kind: 'worker', pool: string, slot: number, stack: number} | {kind: 'death', death: any} |
 *   {kind: 'run', pool: string} | {kind: 'help'}} Pane
 */

function App() {
  const model = useRef(new Model()).current;
  const [, redraw] = useState(0);
  const [connection, setConnection] = useState(/** @type {any} */ ('connecting'));
  const [session, setSession] = useState(
    /** @type {import('./session.js').Session | undefined} */ (undefined),
  );
  const [isSigningIn, setSigningIn] = useState(false);
  const [find, setFind] = useState(() => new URLSearchParams(location.search).get('find') ?? '');
  const [pane, setPane] = useState(/** @type {Pane | undefined} */ (undefined));
  const armed = useRef({ key: '', until: 0 });
  const may = (scope) => session?.scopes.includes(scope) ?? false;
  const mayLook = may('read');

  const ask = () => who().then(setSession, () => setTimeout(ask, 3000));
  useEffect(() => void ask(), []);
  useEffect(() => {
    if (!mayLook) return undefined;
    return follow((name, data) => {
      model.apply(name, data);
      if (name === 'snapshot') recall(model);
      redraw((it) => it + 1);
    }, setConnection);
  }, [mayLook, session?.name]);
  useEffect(() => {
    const search = find ? `?find=${encodeURIComponent(find)}` : '';
    history.replaceState(null, '', location.pathname + search);
  }, [find]);
  useEffect(
    () =>
      listen({
        find: () => dispatchEvent(new Event('find')),
        help: () => setPane({ kind: 'help' }),
        close: () => setPane(undefined),
      }),
    [],
  );
  // A storm of deaths is fetched now and then.
  const newest = Math.floor(model.diedAt / 2000);
  const kept = usePoll(
    (signal) => (may('debug') ? optional('/v1/deaths?limit=200', { signal }) : Promise.resolve(undefined)),
    600_000,
    [session?.name, newest],
  ).value;

  if (!session) return html`<${Waiting} connection="connecting" />`;
  if (isSigningIn || !mayLook) {
    const done = () => {
      setSigningIn(false);
      ask();
    };
    return html`<${SignIn} done=${done} cancel=${mayLook ? () => setSigningIn(false) : undefined} />`;
  }

  const filter = parse(find);
  const pools = [...model.pools.values()].filter((pool) => showsPool(filter, pool));
  const deaths = remembered(model.deaths, kept?.deaths ?? []);
  const choose = (pool, slot) =>
    setPane(slot === undefined ? undefined : { kind: 'worker', pool, slot, stack: 0 });
  const act = (key, pool, slot) => {
    const worker = model.pools.get(pool)?.workerName(slot);
    if (!worker) return;
    if (key === 's') {
      if (may('debug')) setPane({ kind: 'worker', pool, slot, stack: 1 });
      return;
    }
    if (!may('operate')) return;
    const id = `${key} ${worker}`;
    if (armed.current.key === id && Date.now() < armed.current.until) {
      armed.current.key = '';
      (key === 'k' ? orders.kill : orders.retire)(worker);
    } else {
      armed.current = { key: id, until: Date.now() + 4000 };
      note(`Press ${key} again to ${key === 'k' ? 'kill' : 'retire'} ${worker}.`);
    }
  };
  const turn = () => {
    const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    const isDark = (document.documentElement.dataset.theme ?? system) === 'dark';
    document.documentElement.dataset.theme = isDark ? 'light' : 'dark';
    try {
      localStorage.setItem('procpool-theme', isDark ? 'light' : 'dark');
    } catch {
      // It lasts as long as the page.
    }
    repaint();
  };
  const leave = () => signOut().then(ask);
  const close = () => setPane(undefined);
  const shared = {
    model,
    filter,
    may,
    choose,
    act,
    chosen: pane?.kind === 'worker' ? pane : undefined,
    runJob: (pool) => setPane({ kind: 'run', pool }),
  };
  const recent = deaths.filter((it) => model.at - it.at < HOUR).reduce((all, it) => all + (it.count ?? 1), 0);
  return html`<div class=${pane ? 'page with-pane' : 'page'} data-connection=${connection}>
    <${Header} model=${model} deaths=${recent} connection=${connection} find=${find} setFind=${setFind} unknown=${filter.unknown} session=${session} signIn=${() => setSigningIn(true)} signOut=${leave} help=${() => setPane({ kind: 'help' })} turn=${turn} />
    ${connection === 'lost' && model.hasSnapshot && html`<div class="banner" role="alert">The connection is lost. What you see is how it was.</div>`}
    <main>
      ${
        !model.hasSnapshot
          ? html`<${Waiting} connection=${connection} />`
          : html`
            ${pools.map((pool) => html`<${PoolPanel} key=${pool.name} pool=${pool} ...${shared} />`)}
            ${pools.length === 0 && html`<${NoPools} hasFilter=${find !== ''} hasHosts=${session.has_hosts ?? false} clear=${() => setFind('')} />`}
            ${session.has_hosts && html`<${Hosts} who=${session.name} />`}
            <div class="pair">
              <${Deaths} deaths=${deaths} now=${model.at} filter=${filter} open=${(death) => setPane({ kind: 'death', death })} />
              <${Longest} pools=${pools} may=${may} choose=${choose} />
            </div>
          `
      }
    </main>
    ${pane && html`<${PaneOf} pane=${pane} model=${model} may=${may} close=${close} />`}
    <${Notes} />
  </div>`;
}

/**
 * Asks the server for the last minutes of each pool, once.
 * @param {Model} model
 */
async function recall(model) {
  for (const pool of model.pools.values()) {
    if (pool.isRecalled) continue;
    pool.isRecalled = true;
    const path = `/v1/pools/${encodeURIComponent(pool.name)}/history?seconds=300`;
    model.recall(pool.name, await ifThere('/v1/pools/{pool}/history', path).catch(() => undefined));
  }
}

/** @param {{pane: Pane, model: Model, may: (scope: string) => boolean, close: () => void}} props */
function PaneOf({ pane, model, may, close }) {
  switch (pane.kind) {
    case 'worker': {
      const pool = model.pools.get(pane.pool);
      return (
        pool &&
        html`<${WorkerPane} key=${`${pane.pool} ${pane.slot}`} pool=${pool} slot=${pane.slot} now=${model.at} may=${may} wantsStack=${pane.stack} close=${close} />`
      );
    }
    case 'death':
      return html`<${DeathPane} key=${pane.death.worker} death=${pane.death} may=${may} close=${close} />`;
    case 'run':
      return html`<${RunPane} key=${pane.pool} pool=${pane.pool} close=${close} />`;
    default:
      return html`<${HelpPane} close=${close} />`;
  }
}

render(html`<${App} />`, document.getElementById('app'));
