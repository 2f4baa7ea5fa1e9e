// Who has asked for what: everything that was more than a look.

import { html, useEffect, useState } from './preact.js';
import { get } from './api.js';
import { Bones, Chip, Empty, Trouble } from './parts.js';
import { fullTime, phone, whoIs } from './format.js';

const DEEDS = {
  take_over: 'took over', hand_back: 'handed back to the assistant', send: 'sent a text', resend: 'sent a failed text again', end: 'ended the session', erase: 'erased what is kept',
  export: 'exported what is kept', retry: 'retried a dead letter', discard: 'discarded a dead letter', test_provider: 'tried the provider', test_assistant: 'tried the assistant',
};

export function AuditPage() {
  const [log, set] = useState({ entries: null, next: null, error: null });
  const read = async (before) => {
    try {
      const page = await get(`/audit?limit=100${before ? `&before=${before}` : ''}`);
      set((log) => ({ entries: before ? [...log.entries, ...page.entries] : page.entries, next: page.next, error: null }));
    } catch (error) {
      set((log) => ({ ...log, error }));
    }
  };
  useEffect(() => { read(); }, []);
  return html`<div class="page narrow">
    <header><div>
      <h1>Audit log</h1>
      <p>Everything that was more than a look, written down before it was done. Persons appear under the names that they have in the log, never by number.</p>
    </div></header>
    ${log.error && html`<${Trouble} error=${log.error} again=${() => read()} />`}
    <div class="card scroll-x" tabindex="0" role="region" aria-label="Audit log">
      ${!log.entries && !log.error && html`<${Bones} />`}
      ${log.entries?.length === 0 && html`<${Empty} icon="audit" title="Nobody has done anything yet">Taking over, sending, ending, erasing: all of it will stand here.<//>`}
      ${log.entries?.length > 0 && html`<table class="list entries">
        <thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Conversation</th></tr></thead>
        <tbody>${log.entries.map((entry) => html`<tr key=${entry.id}>
          <td class="nowrap quiet">${fullTime(entry.at_ms)}</td>
          <td><b>${whoIs(entry.who)}</b></td>
          <td class="what">${DEEDS[entry.what] ?? entry.what}${entry.subject ? html` <${Chip} kind="code">${entry.subject}<//>` : ''}</td>
          <td>${entry.conversation ? html`<code>${entry.conversation}</code>` : ''} <span class="quiet small nowrap">${entry.tenant ? `with ${phone(entry.tenant)}` : ''}</span></td>
        </tr>`)}</tbody>
      </table>`}
    </div>
    ${log.next && html`<p class="more"><button class="button" onClick=${() => read(log.next)}>Show earlier</button></p>`}
  </div>`;
}
