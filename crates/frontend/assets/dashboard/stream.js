// The server's event stream. A hidden page closes it; one that hears nothing for long opens it anew.

/** Milliseconds without an event after which the connection counts as lost. */
const SILENCE = 15_000;
const EVENTS = ['snapshot', 'tick', 'death', 'deaths', 'mark', 'bye'];

/**
 * @param {(name: string, data: any) => void} heard
 * @param {(state: 'connecting' | 'live' | 'lost' | 'draining' | 'paused') => void} turned
 * @returns {() => void} ends it
 */
export function follow(heard, turned) {
  /** @type {EventSource | undefined} */
  let source;
  let last = Date.now();
  let retry = 0;
  let watch = 0;
  let isOver = false;

  const open = () => {
    clearTimeout(retry);
    clearInterval(watch);
    source?.close();
    last = Date.now();
    watch = setInterval(listen, 5000);
    source = new EventSource('/v1/events');
    for (const name of EVENTS) source.addEventListener(name, (event) => take(name, event.data));
    source.onerror = () => {
      turned('lost');
      // A refusal closes the source for good, and it does not say why.
      if (source?.readyState === EventSource.CLOSED && !isOver) retry = setTimeout(open, 3000);
    };
  };
  const take = (name, text) => {
    last = Date.now();
    if (name === 'bye') {
      turned('draining');
      return;
    }
    turned('live');
    heard(name, JSON.parse(text));
  };
  const look = () => {
    if (document.hidden) {
      source?.close();
      source = undefined;
      clearTimeout(retry);
      clearInterval(watch);
      turned('paused');
    } else if (!source) {
      turned('connecting');
      open();
    }
  };
  const listen = () => {
    if (source && Date.now() - last > SILENCE) {
      turned('lost');
      open();
    }
  };

  document.addEventListener('visibilitychange', look);
  turned('connecting');
  open();
  return () => {
    isOver = true;
    source?.close();
    clearInterval(watch);
    clearTimeout(retry);
    document.removeEventListener('visibilitychange', look);
  };
}
