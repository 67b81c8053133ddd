// Who looks at this page, and the form for a token. The token is exchanged for a cookie that scripts cannot read.

import { ApiError, call, get } from './api.js';
import { html, useState } from './preact.js';

/**
 * @typedef {{name: string, scopes: string[], pools: string[], signed_in: boolean, needs_token: boolean,
 *   has_hosts?: boolean}} Session
 */

/** @returns {Promise<Session>} */
export function who() {
  return get('/v1/session');
}

/** Ends the session. */
export async function signOut() {
  await call('DELETE', '/v1/session');
}

/** @param {{done: () => void, cancel?: () => void}} props */
export function SignIn({ done, cancel }) {
  const [problem, setProblem] = useState('');
  const submit = async (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get('token');
    try {
      await call('POST', '/v1/session', { headers: { authorization: `Bearer ${token}` } });
      done();
    } catch (/** @type {any} */ error) {
      setProblem(
        error instanceof ApiError && error.status === 401
          ? 'The server does not know this token.'
          : String(error.message),
      );
    }
  };
  return html`<main class="sign-in">
    <form onSubmit=${submit}>
      <img src="/dashboard/icon.svg" alt="" width="40" height="40" />
      <h1>procpool</h1>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <button class="primary">Sign in</button>
      ${cancel && html`<button type="button" class="plain" onClick=${cancel}>Back</button>`}
      <p class="muted">
        ${'Make one with '}<code>procpool token new NAME --scope read</code>${'. The page keeps it nowhere: it becomes a cookie that ends after 12 hours.'}
      </p>
    </form>
  </main>`;
}
