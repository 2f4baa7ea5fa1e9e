// One handset: what is on its screen, the texts that it sends, and the line on which it hears ours.

import { html, useEffect, useLayoutEffect, useReducer, useRef, useState } from './preact.js';
import { headers, inWords } from './api.js';
import { Icon } from './parts.js';
import { phone, timeOfDay } from './format.js';
import { Attachments, Words } from './bubbles.js';

const blank = { bubbles: [], typing: false, seen: new Set(), state: 'connecting', problem: null };

/** What is on the screen after something has happened. */
function after(screen, event) {
  switch (event.type) {
    case 'open': return { ...screen, state: 'live', problem: null };
    case 'lost': return { ...screen, state: 'away', typing: false };
    case 'refused': return { ...screen, state: 'off', problem: event.problem };
    case 'heard': {
      if (screen.seen.has(event.id)) return screen;
      const bubble = { key: event.id, mine: false, body: event.body, media: event.media, at: event.at };
      return { ...screen, seen: new Set(screen.seen).add(event.id), typing: false, bubbles: [...read(screen.bubbles), bubble] };
    }
    case 'past': {
      const key = `turn ${event.turn}`;
      if (screen.bubbles.some((bubble) => bubble.key === key || (bubble.mine && !bubble.past && bubble.body === event.body && event.at - bubble.at < 5000 && event.at >= bubble.at - 5000))) return screen;
      const bubble = { key, mine: true, past: true, body: event.body, media: event.media.map((medium) => medium.url), at: event.at, state: 'read' };
      return { ...screen, bubbles: [...screen.bubbles, bubble] };
    }
    case 'say': return { ...screen, bubbles: [...screen.bubbles, { key: event.key, mine: true, body: event.body, media: [], at: Date.now(), state: 'sending' }] };
    case 'said': return { ...screen, bubbles: changed(screen.bubbles, event.key, (bubble) => (bubble.state === 'sending' ? 'sent' : bubble.state)) };
    case 'unsaid': return { ...screen, typing: false, bubbles: changed(screen.bubbles, event.key, () => 'failed') };
    case 'typing': return { ...screen, typing: true };
    case 'still': return { ...screen, typing: false, bubbles: read(screen.bubbles) };
    default: return screen;
  }
}

const changed = (bubbles, key, state) => bubbles.map((bubble) => (bubble.key === key ? { ...bubble, state: state(bubble) } : bubble));
const read = (bubbles) => bubbles.map((bubble) => (bubble.mine && bubble.state === 'sent' ? { ...bubble, state: 'read' } : bubble));

const TICKS = {
  sending: ['clock', 'being sent'],
  sent: ['tick', 'the gateway has it on disk'],
  read: ['ticks', 'answered'],
  failed: ['warn', 'not sent'],
};

function Ticks({ state }) {
  const [icon, words] = TICKS[state];
  return html`<span class=${`ticks ${state}`} title=${words}><${Icon} name=${icon} /><span class="unseen">${words}</span></span>`;
}

/** Listens on the phone channel as long as the handset is there. */
function useLine(tenant, user, tell) {
  useEffect(() => {
    const query = new URLSearchParams({ tenant: tenant.number, user });
    const url = `/channels/${encodeURIComponent(tenant.channel.name)}/events?${query}`;
    let line = null;
    let again = 0;
    const connect = () => {
      line = new EventSource(url);
      line.addEventListener('live', () => tell({ type: 'open' }));
      line.addEventListener('text', ({ data, lastEventId }) => tell({ type: 'heard', ...JSON.parse(data), id: lastEventId }));
      line.addEventListener('inbound', ({ data }) => tell({ type: 'past', ...JSON.parse(data) }));
      line.addEventListener('error', () => {
        tell({ type: 'lost' });
        // A browser gives up for good where it was refused.
        if (line.readyState === EventSource.CLOSED) again = setTimeout(connect, 3000);
      });
    };
    connect();
    return () => { clearTimeout(again); line.close(); };
  }, [tenant.number, user]);
}

export function Handset({ tenant, tenants, user, listen, onTenant, onNumber, onRemove }) {
  const [screen, tell] = useReducer(after, blank);
  const [draft, setDraft] = useState('');
  const end = useRef(null);
  const input = useRef(null);
  useLine(tenant, user, tell);
  useEffect(() => listen((event) => {
    if (event.type === 'text.received') tell({ type: 'typing' });
    if (event.type === 'turn.completed' || event.type === 'turn.failed') tell({ type: 'still' });
  }), [tenant.number, user]);
  useLayoutEffect(() => { if (end.current) end.current.scrollTop = end.current.scrollHeight; }, [screen.bubbles.length, screen.typing]);
  const say = async (body) => {
    const key = crypto.randomUUID();
    tell({ type: 'say', key, body });
    try {
      const response = await fetch(`/channels/${encodeURIComponent(tenant.channel.name)}/inbound`, {
        method: 'POST',
        headers: { ...headers(), 'content-type': 'application/json' },
        body: JSON.stringify({ from: user, to: tenant.number, text: body, id: key }),
      });
      if (!response.ok) throw new Error((await response.text()).trim() || `The gateway answered ${response.status}`);
      tell({ type: 'said', key });
    } catch (error) {
      tell({ type: 'unsaid', key });
      tell({ type: 'refused', problem: inWords(error) });
    }
  };
  const submit = (event) => {
    event.preventDefault();
    const body = draft.trim();
    if (!body) return;
    setDraft('');
    say(body);
    input.current.focus();
  };
  return html`<section class="handset" aria-label=${`Phone ${user}`}>
    <header class="bar">
      <span class="who">
        <button class="own" title="Take another number" onClick=${onNumber}>${phone(user)}<${Icon} name="again" /></button>
      </span>
      ${onRemove && html`<button class="shut" title="Put this phone away" onClick=${onRemove}><${Icon} name="close" /><span class="unseen">Put ${user} away</span></button>`}
    </header>
    <div class="peer">
      <span class="avatar" aria-hidden="true">${tenant.assistant.name[0].toUpperCase()}</span>
      <span class="names">
        <b>${tenant.assistant.name}</b>
        ${tenants.length > 1
          ? html`<select aria-label="Whom to text" value=${tenant.number} onChange=${(event) => onTenant(event.target.value)}>
              ${tenants.map((one) => html`<option key=${one.number} value=${one.number}>${phone(one.number)}</option>`)}
            </select>`
          : html`<span class="quiet small">${phone(tenant.number)}</span>`}
      </span>
      <span class="line-state" data-state=${screen.state === 'live' ? 'live' : 'away'} title=${screen.state === 'live' ? 'The line is up' : 'Connecting…'}><i /></span>
    </div>
    <div class="screen" ref=${end} role="log" aria-label="Texts" tabindex="0">
      ${!screen.bubbles.length && html`<div class="hello"><p>Say hello.</p><div class="chips">${['Hello', 'menu', 'help'].map((word) => html`<button key=${word} class="button small" onClick=${() => say(word)}>${word}</button>`)}</div></div>`}
      ${screen.bubbles.map((bubble) => html`<div key=${bubble.key} class=${`bubble ${bubble.mine ? 'mine' : 'theirs'}`}>
        ${bubble.body && html`<${Words} text=${bubble.body} />`}
        <${Attachments} urls=${bubble.media} />
        <span class="meta">${timeOfDay(bubble.at)}${bubble.mine && html`<${Ticks} state=${bubble.state} />`}</span>
      </div>`)}
      ${screen.typing && html`<div class="bubble theirs typing"><i /><i /><i /><span class="unseen">${tenant.assistant.name} is typing</span></div>`}
    </div>
    ${screen.problem && html`<p class="note bad small" role="alert">${screen.problem}</p>`}
    <form class="compose" onSubmit=${submit}>
      <input ref=${input} class="input" aria-label="Text message" placeholder="Text message" autocomplete="off" value=${draft} onInput=${(event) => setDraft(event.target.value)} />
      <button class="button main only-icon" disabled=${!draft.trim()} title="Send"><${Icon} name="send" /><span class="unseen">Send</span></button>
    </form>
  </section>`;
}
