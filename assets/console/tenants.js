// Our numbers: how each is set, where its webhook is, and whether its provider and its assistant answer.

import { html, useState } from './preact.js';
import { inWords, post } from './api.js';
import { useHappenings } from './live.js';
import { Chip, Copy, Icon, Trouble, When, useResource, useSoon } from './parts.js';
import { count, phone, sentenceOf, since, span, spanOfSeconds } from './format.js';

const yes = (value) => (value ? 'Yes' : 'No');

/** How one side is, by what came of what was asked of it last. */
export function Health({ side, label }) {
  const kind = side.failed_in_a_row >= 3 ? 'bad' : side.failed_in_a_row > 0 ? 'warn' : side.ok ? 'good' : '';
  const words = { bad: 'Failing', warn: 'Last one failed', good: 'Healthy', '': 'Not used yet' }[kind];
  return html`<div class="health">
    <div class="row"><b>${label}</b><${Chip} kind=${kind} icon=${kind === 'good' ? 'tick' : kind ? 'warn' : 'clock'}>${words}<//></div>
    <p class="small quiet">${count(side.ok)} succeeded, ${count(side.failed)} failed${side.last_ok_at_ms ? html` · last success <${When} ms=${side.last_ok_at_ms} words=${since} />` : ''}</p>
    ${side.last_failure && html`<p class=${`small ${kind === 'good' ? 'quiet' : 'why-ill'}`}>${sentenceOf(side.last_failure)} · <${When} ms=${side.last_failed_at_ms} words=${since} /></p>`}
  </div>`;
}

function Trial({ tenant }) {
  const [user, setUser] = useState('');
  const [busy, setBusy] = useState('');
  const [result, setResult] = useState(null);
  const path = `/tenants/${encodeURIComponent(tenant.number)}/test`;
  const attempt = async (what, body, words) => {
    setBusy(what);
    setResult(null);
    try {
      const told = await post(`${path}/${what}`, body);
      setResult({ kind: 'good', words: words(told) });
    } catch (error) {
      setResult({ kind: 'bad', words: inWords(error) });
    }
    setBusy('');
  };
  const provider = (event) => {
    event.preventDefault();
    attempt('provider', { user: user.trim() }, (told) => `The provider took the text (${told.provider_id}).`);
  };
  return html`<div class="stack trial">
    <form class="row" onSubmit=${provider}>
      <input class="input" aria-label="Number to send a test text to" placeholder="+15550199" value=${user} onInput=${(event) => setUser(event.target.value)} />
      <button class="button" disabled=${busy !== '' || !user.trim()}><${Icon} name="send" />${busy === 'provider' ? 'Sending…' : 'Send a test text'}</button>
      <button type="button" class="button" disabled=${busy !== ''} onClick=${() => attempt('assistant', undefined, (told) => `The assistant answered, with ${told.items} item(s) and ${told.commands} command(s).`)}><${Icon} name="robot" />${busy === 'assistant' ? 'Asking…' : 'Ask the assistant'}</button>
    </form>
    <div role="status">${result && html`<p class=${`note small ${result.kind}`}><${Icon} name=${result.kind === 'good' ? 'tick' : 'warn'} />${result.words}</p>`}</div>
  </div>`;
}

function Tenant({ tenant, may }) {
  const { rules, channel, assistant, health } = tenant;
  const url = channel.webhook_url ?? `${location.origin}${channel.webhook_path}`;
  const tokens = [rules.control.password && 'a name and password', rules.control.token && 'a token', ...rules.control.tokens.map((one) => `${one.name} (${one.scopes.join(', ')})`)].filter(Boolean);
  const facts = [
    ['Session ends after', spanOfSeconds(rules.session_timeout_s)],
    ['A text opens a session', yes(rules.inbound_start)],
    ['Assistant greets first', yes(rules.greeting)],
    ['Told of a timeout', yes(rules.timeout_turn)],
    ['Assistant may take', `${span(rules.ask.timeout_ms)}, ${count(rules.ask.retries)} more tries`],
    ['Provider may take', span(rules.send.timeout_ms)],
    ['A text is worth sending for', spanOfSeconds(rules.send.valid_for_s)],
    ['If it may have been sent', rules.send.in_doubt === 'resend' ? 'Send again' : 'Give up'],
    ['At once', `${count(rules.lane.asks_max)} questions, ${count(rules.lane.sends_max)} texts`],
    ['Pace', rules.lane.segments_per_second ? `${rules.lane.segments_per_second} segments a second` : 'As the provider takes them'],
    ['Rapid texts', rules.gather_ms ? `One turn after ${span(rules.gather_ms)} of silence` : 'A turn each'],
    ['STOP and START', rules.keywords_obeyed ? 'Obeyed' : 'Left to the assistant'],
    ['Quiet hours', rules.quiet_hours ? `${rules.quiet_hours.from} – ${rules.quiet_hours.to}` : 'None'],
    ['Transcripts kept', rules.transcripts_kept_s ? spanOfSeconds(rules.transcripts_kept_s) : 'For ever'],
    ['Reported to', rules.report ?? 'Nobody'],
    ['REST interface', tokens.length ? tokens.join(', ') : 'Closed'],
  ];
  return html`<article class="card">
    <header>
      <h2 class="number">${phone(tenant.number)}</h2>
      <${Chip}>${channel.kind === 'phone' ? 'Simulated phone' : channel.kind}${channel.name !== channel.kind ? ` · ${channel.name}` : ''}<//>
      <${Chip}>${assistant.kind === 'script' ? 'Script' : assistant.kind} · ${assistant.name}<//>
    </header>
    <div class="inside stack">
      <div class="healths"><${Health} side=${health.provider} label="Provider" /><${Health} side=${health.assistant} label="Assistant" /></div>
      <div class="field">Webhook
        <div class="row webhook"><code>${url}</code><${Copy} text=${url} label="Copy the URL" /></div>
      </div>
      ${may && html`<${Trial} tenant=${tenant} />`}
      <details><summary>Settings</summary>
        <dl class="facts grid">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
          <div class="whole"><dt>When a turn fails, the user reads</dt><dd>${rules.failure_message || 'Nothing'}</dd></div></dl>
      </details>
    </div>
  </article>`;
}

export function TenantsPage({ me }) {
  const { data, error, look } = useResource('/tenants');
  const lookSoon = useSoon(look, 1500);
  useHappenings(lookSoon);
  return html`<div class="page narrow">
    <header><div>
      <h1>Tenants</h1>
      <p>Your numbers as they are configured. Secrets are never shown here, and nothing can be changed: that is the configuration's.</p>
    </div></header>
    ${error && !data && html`<${Trouble} error=${error} again=${look} />`}
    <div class="stack">${data?.tenants.map((tenant) => html`<${Tenant} key=${tenant.number} tenant=${tenant} may=${me.scopes.includes('control')} />`)}</div>
  </div>`;
}
