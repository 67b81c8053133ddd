// Asks again and again while somebody looks. A hidden page asks nothing.

import { useEffect, useState } from './preact.js';

/**
 * Returns the newest answer of `ask`, whether there was one, and whether the last question failed. A failure
 * keeps the last answer, and so does another question, until it is answered.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} ask
 * @param {number} every milliseconds between two answers
 * @param {any[]} about begins anew when one of these is another
 */
export function usePoll(ask, every, about) {
  const [answer, setAnswer] = useState(
    /** @type {{value?: T, isKnown: boolean, hasFailed?: boolean}} */ ({ isKnown: false }),
  );
  useEffect(() => {
    const aborter = new AbortController();
    let timer = 0;
    const look = () => {
      if (!document.hidden) next();
      else document.addEventListener('visibilitychange', look, { once: true, signal: aborter.signal });
    };
    const next = async () => {
      try {
        const value = await ask(aborter.signal);
        if (!aborter.signal.aborted) setAnswer({ value, isKnown: true });
      } catch {
        if (!aborter.signal.aborted) setAnswer((last) => ({ ...last, isKnown: true, hasFailed: true }));
      }
      if (!aborter.signal.aborted) timer = setTimeout(look, every);
    };
    setAnswer((last) => ({ ...last, isKnown: false }));
    next();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, about);
  return answer;
}
