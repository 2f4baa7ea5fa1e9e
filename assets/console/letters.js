// Dead letters: what was set aside, why, and what may be done about it.

import { html, useState } from './preact.js';
import { conversationPath, post, remove } from './api.js';
import { useHappenings } from './live.js';
import { Bones, Chip, Confirm, Empty, Icon, Trouble, complain, say, useResource, useSoon } from './parts.js';
import { fullTime, phone } from './format.js';

const KINDS = {
  text: 'Text', start: 'Start of a session', end: 'End of a session', send: 'Text of ours', delivery_failed: 'Receipt', open_pipe: 'Pipe', close_pipe: 'Pipe',
  erase: 'Erasure', preference: 'STOP or START', no_input: 'Forced turn', timeout: 'Timeout turn', take_over: 'Takeover', hand_back: 'Hand-over',
};

function Letter({ letter, may, onDone }) {
  const [busy, setBusy] = useState(false);
  const [asking, ask] = useState(false);
  const act = async (work, words) => {
    setBusy(true);
    try {
      await work();
      say(words);
    } catch (error) {
      complain(error);
    }
    setBusy(false);
    ask(false);
    onDone();
  };
  const retry = () => act(() => post(`/dead-letters/${letter.id}/retry`), 'It was given to its conversation once more');
  const discard = () => act(() => remove(`/dead-letters/${letter.id}`), 'It was discarded');
  return html`<article class="card letter">
    <header>
      <${Chip} kind="bad" icon="warn">${letter.kind ? KINDS[letter.kind] ?? letter.kind : 'Damaged record'}<//>
      ${letter.user && html`<a href=${`#${conversationPath(letter.tenant, letter.user)}`}><b>${phone(letter.user)}</b></a><span class="quiet small">with ${phone(letter.tenant)}</span>`}
      <span class="end quiet small">${fullTime(letter.at_ms)}</span>
    </header>
    <div class="inside stack">
      ${letter.text && html`<blockquote>${letter.text}</blockquote>`}
      <p>${letter.reason[0].toUpperCase() + letter.reason.slice(1)}.</p>
      ${letter.bytes && html`<details><summary class="small quiet">Its bytes</summary><pre class="bytes">${letter.bytes}</pre></details>`}
      ${!letter.retriable && html`<p class="quiet small">${letter.bytes ? 'What cannot be read cannot be given to a conversation again.' : 'It belongs to a moment that is over, and cannot be tried again.'}</p>`}
      ${may && html`<div class="row">
        ${letter.retriable && html`<button class="button main" disabled=${busy} onClick=${retry}><${Icon} name="again" />Retry</button>`}
        <button class="button danger" disabled=${busy} onClick=${() => ask(true)}><${Icon} name="bin" />Discard</button>
      </div>`}
    </div>
    ${asking && html`<${Confirm} title="Discard this letter?" action="Discard" danger=${true} onDone=${(yes) => (yes ? discard() : ask(false))}>Nothing more will come of it. What the user has said stays in the transcript.<//>`}
  </article>`;
}

export function LettersPage({ me }) {
  const [limit, setLimit] = useState(50);
  const { data, error, look } = useResource(`/dead-letters?limit=${limit}`);
  const lookSoon = useSoon(look, 500);
  useHappenings((event) => (event.type === 'turn.failed' || event.type === 'refresh') && lookSoon());
  const letters = data?.dead_letters;
  return html`<div class="page narrow">
    <header><div>
      <h1>Dead letters</h1>
      <p>Messages that made their conversation fail again and again were set aside, so that it could go on. The user was told that something went wrong.</p>
    </div></header>
    ${error && html`<${Trouble} error=${error} again=${look} />`}
    ${!letters && !error && html`<div class="card"><${Bones} /></div>`}
    ${letters?.length === 0 && html`<div class="card"><${Empty} icon="letter" title="Nothing was set aside">Every message that came was answered.<//></div>`}
    <div class="stack">${letters?.map((letter) => html`<${Letter} key=${letter.id} letter=${letter} may=${me.scopes.includes('control')} onDone=${look} />`)}</div>
    ${data?.next && limit < 200 && html`<p class="more"><button class="button" onClick=${() => setLimit(200)}>Show more</button></p>`}
  </div>`;
}
