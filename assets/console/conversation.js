// One conversation: who it is with, what was said, and what may be done about it.

import { html, useEffect, useLayoutEffect, useRef, useState } from './preact.js';
import { conversationPath, get, post, remove, request } from './api.js';
import { useHappenings } from './live.js';
import { Bones, Chip, Confirm, Empty, Icon, Tree, Trouble, When, complain, say, useResource, useSoon } from './parts.js';
import { phone, plural, since, span, whoIs } from './format.js';
import { Transcript } from './transcript.js';

/** Pages of the transcript, newest first as they come and oldest first as they are read. */
function useTranscript(path) {
  const [log, set] = useState({ turns: [], next: null, loaded: false, error: null });
  const latest = async () => {
    try {
      const page = await get(`${path}/transcript?limit=50`);
      set((before) => {
        const first = page.turns.at(-1);
        // Turns change as long as their texts are on their way; those before the page stay as they are.
        const kept = first ? before.turns.filter((turn) => BigInt(turn.id) < BigInt(first.id)) : [];
        return { turns: [...kept, ...page.turns.reverse()], next: kept.length ? before.next : page.next, loaded: true, error: null };
      });
    } catch (error) {
      set((before) => ({ ...before, error }));
    }
  };
  const earlier = async () => {
    try {
      const page = await get(`${path}/transcript?limit=50&before=${log.next}`);
      set((before) => ({ ...before, turns: [...page.turns.reverse(), ...before.turns], next: page.next }));
    } catch (error) {
      complain(error);
    }
  };
  useEffect(() => { latest(); }, [path]);
  return { ...log, latest, earlier };
}

const QUESTIONS = {
  end: { title: 'End the session?', action: 'End session', words: 'The assistant forgets where it was. A turn that is running is cancelled; the next text opens a new session.' },
  erase: { title: 'Erase this person?', action: 'Erase everything', danger: true, words: 'Everything that is kept of this conversation is deleted: transcript, context, texts on their way. Only whether they have opted out remains. This cannot be undone.' },
};

function Composer({ path, isTakenOver, canSend, stopped }) {
  const [draft, setDraft] = useState('');
  const [busy, setBusy] = useState(false);
  const send = async (event) => {
    event?.preventDefault();
    if (!draft.trim() || busy) return;
    setBusy(true);
    try {
      await post(`${path}/texts`, { text: draft.trim() });
      setDraft('');
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  const keys = (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
  };
  const why = stopped ? 'They have stopped your texts.' : !canSend ? 'Your token may not send.' : null;
  return html`<form class="composer" onSubmit=${send}>
    <textarea class="input" rows="1" aria-label="Text to send" disabled=${Boolean(why)} placeholder=${why ?? (isTakenOver ? 'Write to them' : 'Write to them; the assistant answers what they reply')} value=${draft} onInput=${(event) => setDraft(event.target.value)} onKeyDown=${keys} />
    <button class="button main" disabled=${busy || !draft.trim() || Boolean(why)}><${Icon} name="send" />Send</button>
  </form>`;
}

function Facts({ shown, path }) {
  const { session, context, waiting } = shown;
  return html`<aside class="facts-side" aria-label="About this conversation">
    <section>
      <h2>Session</h2>
      ${session ? html`<dl class="facts">
          <dt>Opened</dt><dd><${When} ms=${session.opened_at_ms} words=${since} /></dd>
          <dt>Ends in</dt><dd>${span(Math.max(0, session.ends_at_ms - Date.now()))} unless they text</dd>
          <dt>Turns</dt><dd>${session.turns}</dd>
          ${session.list?.length > 0 && html`<dt>Offered</dt><dd>${session.list.map((label, index) => html`<div key=${label}>${index + 1}. ${label}</div>`)}</dd>`}
          <dt>ID</dt><dd><code>${session.session_id}</code></dd>
        </dl>` : html`<p class="quiet small">No session is open. The next text opens one.</p>`}
    </section>
    ${session?.user_data !== undefined && html`<section><h2>Data it was started with</h2><div class="tree"><${Tree} value=${session.user_data} open=${true} /></div></section>`}
    ${context && html`<section><h2>Context of ${context.assistant}</h2><div class="tree"><${Tree} value=${context.data} open=${true} /></div></section>`}
    ${waiting.length > 0 && html`<section><h2>Waiting</h2><p class="small soft">${plural(waiting.filter((one) => one.unread).length, 'text')} unread, ${plural(waiting.filter((one) => one.unsent).length, 'answer')} on the way</p></section>`}
    <section><h2>In the log</h2><p class="small soft">This conversation is <code>${shown.log_id}</code> there. Numbers are never logged.</p></section>
  </aside>`;
}

async function download(path, user) {
  const blob = await (await request(`${path}/export`)).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${user.replace(/\W/g, '')}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function Conversation({ tenant, user, me }) {
  const path = conversationPath(tenant, user);
  const { data: shown, error, look } = useResource(path);
  const log = useTranscript(path);
  const [asking, ask] = useState(null);
  const [side, showSide] = useState(false);
  const end = useRef(null);
  const lookSoon = useSoon(() => { look(); log.latest(); }, 120);
  useHappenings((event) => {
    if (event.type === 'refresh' || (event.tenant === tenant && event.user === user)) lookSoon();
  });
  const newest = log.turns.at(-1)?.id;
  const waiting = shown?.waiting.length ?? 0;
  useLayoutEffect(() => { if (end.current) end.current.scrollTop = end.current.scrollHeight; }, [newest, waiting, log.loaded]);
  const act = async (work, words) => {
    try {
      await work();
      if (words) say(words);
      lookSoon();
    } catch (problem) {
      complain(problem);
    }
    ask(null);
  };
  const may = (scope) => me.scopes.includes(scope);
  const answers = {
    end: () => act(() => remove(`${path}/session`), 'The session has ended'),
    erase: () => act(() => remove(path), 'Everything was erased'),
  };
  if (error && !shown) return html`<section class="one"><${Trouble} error=${error} again=${look} /></section>`;
  const taken = shown?.taken_over;
  const question = asking && QUESTIONS[asking];
  return html`<section class="one" aria-label=${`Conversation with ${user}`}>
    <header class="one-head">
      <a class="button plain only-icon back" href="#/conversations" title="Back to the list"><${Icon} name="back" /><span class="unseen">Back to the list</span></a>
      <div class="names">
        <h2>${phone(user)}</h2>
        <span class="chips">
          <span class="quiet small">with ${phone(tenant)}</span>
          ${taken && html`<${Chip} kind="accent" icon="hand">${taken.by === me.name ? 'You answer' : `${whoIs(taken.by)} answers`}<//>`}
          ${shown?.session && !taken && html`<${Chip} kind="good">In session<//>`}
          ${shown?.stopped_at_ms && html`<${Chip} kind="bad" icon="mute">Opted out<//>`}
          ${shown?.pipe_open && html`<${Chip} kind="info">Voice gateway<//>`}
        </span>
      </div>
      <div class="does">
        ${may('control') && (taken
          ? html`<button class="button" onClick=${() => act(() => remove(`${path}/takeover`), 'The assistant answers again')}><${Icon} name="robot" />Hand back</button>`
          : html`<button class="button main" onClick=${() => act(() => post(`${path}/takeover`), 'You answer now; the assistant is silent')}><${Icon} name="hand" />Take over</button>`)}
        ${may('control') && html`<button class="button only-icon" title="End the session" disabled=${!shown?.session} onClick=${() => ask('end')}><${Icon} name="stop" /><span class="unseen">End the session</span></button>
          <button class="button only-icon" title="Export everything that is kept" onClick=${() => act(() => download(path, user))}><${Icon} name="down" /><span class="unseen">Export everything that is kept</span></button>
          <button class="button only-icon danger" title="Erase this person" onClick=${() => ask('erase')}><${Icon} name="bin" /><span class="unseen">Erase this person</span></button>`}
        <button class="button only-icon side-switch" aria-pressed=${String(side)} title="Session and context" onClick=${() => showSide(!side)}><${Icon} name="user" /><span class="unseen">Session and context</span></button>
      </div>
    </header>
    <div class=${`one-body ${side ? 'with-side' : ''}`}>
      <div class="talk">
        <div class="talk-scroll" ref=${end} role="log" aria-label="What was said" tabindex="0">
          ${log.error && html`<${Trouble} error=${log.error} again=${log.latest} />`}
          ${log.next && html`<button class="button small earlier" onClick=${log.earlier}>Show earlier</button>`}
          ${!log.loaded && !log.error && html`<${Bones} lines=${6} />`}
          ${log.loaded && !log.turns.length && !waiting && html`<${Empty} icon="chats" title="Nothing was said">Or it was erased, or is older than it is kept.<//>`}
          <${Transcript} turns=${log.turns} waiting=${shown?.waiting ?? []} path=${path} canResend=${may('control')} onDone=${lookSoon} />
        </div>
        <${Composer} path=${path} isTakenOver=${Boolean(taken)} canSend=${may('send')} stopped=${Boolean(shown?.stopped_at_ms)} />
      </div>
      ${shown && html`<${Facts} shown=${shown} path=${path} />`}
    </div>
    ${question && html`<${Confirm} title=${question.title} action=${question.action} danger=${question.danger} onDone=${(yes) => (yes ? answers[asking]() : ask(null))}>${question.words}<//>`}
  </section>`;
}
