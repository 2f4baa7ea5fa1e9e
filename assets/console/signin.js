// Asks for an operator's token, where one is needed.

import { html, useState } from './preact.js';
import { get, signIn, signOut } from './api.js';
import { Icon } from './parts.js';

export function SignIn({ onDone }) {
  const [token, setToken] = useState('');
  const [remember, setRemember] = useState(false);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    signIn(token.trim(), { remember });
    try {
      onDone(await get('/me'));
    } catch (error) {
      signOut();
      setProblem(error.status === 401 ? 'That token is not known here.' : error.message);
      setBusy(false);
    }
  };
  return html`<main class="gate">
    <form class="card" onSubmit=${submit}>
      <img src="/console/icon.svg" alt="" width="44" height="44" />
      <h1>Sign in to Raconteur</h1>
      <p class="soft">This console asks for an operator's token. <code>raconteur token</code> makes one; its hash goes into the configuration.</p>
      <label class="field">Token
        <input class="input" type="password" name="token" autocomplete="current-password" required autofocus
          value=${token} onInput=${(event) => setToken(event.target.value)} aria-invalid=${problem !== null} aria-describedby="problem" />
      </label>
      <label class="remember"><input type="checkbox" checked=${remember} onChange=${(event) => setRemember(event.target.checked)} /> Keep me signed in on this device</label>
      <div id="problem" role="alert">${problem && html`<p class="note bad"><${Icon} name="warn" />${problem}</p>`}</div>
      <button class="button main" disabled=${busy || !token.trim()}>Sign in</button>
    </form>
  </main>`;
}
