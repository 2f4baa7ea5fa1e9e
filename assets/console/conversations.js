// The list of conversations: the latest first, then all others in pages; searched by number, tenant and state; kept up to date by what
// happens. Beside it, or in its place where there is little room, one conversation.

import { html, useCallback, useEffect, useRef, useState } from './preact.js';
import { conversationPath, get } from './api.js';
import { useHappenings } from './live.js';
import { Bones, Chip, Empty, Icon, Trouble, When } from './parts.js';
import { count, digitsOf, phone, whoIs } from './format.js';
import { Conversation } from './conversation.js';

const STATES = [['', 'All'], ['open', 'Active'], ['taken_over', 'Taken over'], ['unsettled', 'Waiting'], ['stopped', 'Opted out']];

/** So many rows are looked for before somebody must ask for more. */
const PAGE = 40;

const keyOf = ({ tenant, user }) => `${tenant} ${user}`;
const merged = (rows, more) => {
  const known = new Set(rows.map(keyOf));
  return [...rows, ...more.filter((row) => !known.has(keyOf(row)))];
};

/** What a row is after something has happened in its conversation. */
function after(row, event) {
  const next = { ...row, active_at_ms: event.at_ms };
  if (event.type === 'session.started') next.session = row.session ?? { session_id: event.data.session_id };
  if (event.type === 'session.ended') next.session = null;
  if (event.type === 'user.opted_out') next.stopped_at_ms = event.at_ms;
  if (event.type === 'user.opted_in') next.stopped_at_ms = null;
  if (event.type === 'conversation.handed_back') next.taken_over = null;
  if (event.type === 'conversation.taken_over') next.taken_over = row.taken_over ?? {};
  return next;
}

function useList(filter) {
  const [list, set] = useState({ rows: [], next: null, done: false, busy: true, looked: 0, error: null });
  const asked = useRef(0);
  const query = useCallback((more) => {
    const params = new URLSearchParams({ limit: PAGE, ...more });
    if (filter.tenant) params.set('tenant', filter.tenant);
    if (filter.state) params.set('state', filter.state);
    if (filter.user) params.set('user', filter.user);
    return get(`/conversations?${params}`);
  }, [filter.tenant, filter.state, filter.user]);
  // A search stops after a while and says where it goes on: it goes on by itself until there is something to show.
  const stored = useCallback(async (from, looked, mine) => {
    let next = from;
    let sum = looked;
    for (let found = 0; found < PAGE;) {
      const page = await query(next ? { after: next } : {});
      if (asked.current !== mine) return;
      found += page.conversations.length;
      sum += page.looked_at;
      next = page.next;
      const looked = sum;
      set((list) => ({ ...list, rows: merged(list.rows, page.conversations), next: page.next, done: !page.next, looked, busy: Boolean(page.next) && found < PAGE }));
      if (!next) return;
    }
  }, [query]);
  const guard = useCallback(async (mine, work) => {
    try {
      await work();
    } catch (error) {
      if (asked.current === mine) set((list) => ({ ...list, busy: false, error }));
    }
  }, []);
  const begin = useCallback(() => {
    const mine = (asked.current += 1);
    set((list) => ({ ...list, busy: true, error: null }));
    guard(mine, async () => {
      const latest = filter.state === 'unsettled' ? { conversations: [] } : await query({ order: 'recent' });
      if (asked.current !== mine) return;
      set({ rows: latest.conversations, next: null, done: false, busy: true, looked: 0, error: null });
      await stored(null, 0, mine);
    });
  }, [query, stored, guard]);
  useEffect(begin, [begin]);
  const more = () => {
    const mine = (asked.current += 1);
    set((list) => ({ ...list, busy: true, error: null }));
    guard(mine, () => stored(list.next, list.looked, mine));
  };
  const stop = () => {
    asked.current += 1;
    set((list) => ({ ...list, busy: false }));
  };
  useHappenings((event) => {
    if (event.type === 'refresh') return begin();
    if (filter.tenant && event.tenant !== filter.tenant) return undefined;
    if (filter.user && !event.user.includes(filter.user)) return undefined;
    return set((list) => {
      const row = list.rows.find((one) => keyOf(one) === keyOf(event));
      if (!row && filter.state) return list;
      const next = after(row ?? { tenant: event.tenant, user: event.user, session: null, stopped_at_ms: null, taken_over: null }, event);
      return { ...list, rows: [next, ...list.rows.filter((one) => one !== row)] };
    });
  });
  return { ...list, more, stop, again: begin };
}

function Row({ row, current, several }) {
  const href = `#${conversationPath(row.tenant, row.user)}`;
  return html`<a class="conversation-row" href=${href} aria-current=${current ? 'true' : null}>
    <span class="number">${phone(row.user)}</span>
    <span class="when quiet small">${row.active_at_ms ? html`<${When} ms=${row.active_at_ms} />` : ''}</span>
    <span class="under small quiet">${several ? html`<span>with ${phone(row.tenant)}</span>` : ''}
      <span class="chips">
        ${row.taken_over && html`<${Chip} kind="accent" icon="hand">Taken over${row.taken_over.by ? ` by ${whoIs(row.taken_over.by)}` : ''}<//>`}
        ${row.stopped_at_ms && html`<${Chip} kind="bad" icon="mute">Opted out<//>`}
        ${row.session && !row.taken_over && html`<${Chip} kind="good">In session<//>`}
        ${row.unreadable && html`<${Chip} kind="warn" icon="warn">Unreadable<//>`}
        ${!row.session && !row.stopped_at_ms && !row.taken_over && !row.unreadable && html`<span>Idle</span>`}
      </span>
    </span>
  </a>`;
}

/** Up and down go from row to row. */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const rows = [...event.currentTarget.querySelectorAll('a.conversation-row')];
  const at = rows.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  rows[at + step]?.focus();
}

function List({ tenants, current }) {
  const [typed, type] = useState('');
  const [user, setUser] = useState('');
  const [tenant, setTenant] = useState('');
  const [state, setState] = useState('');
  const search = useRef(null);
  useEffect(() => {
    const timer = setTimeout(() => setUser(digitsOf(typed)), 200);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => {
    const focus = (event) => {
      if (event.key !== '/' || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  const list = useList({ tenant, state, user });
  const several = tenants.length > 1;
  return html`<section class="conversation-list" aria-label="Conversations">
    <header>
      <h1>Conversations</h1>
      <div class="with-icon"><${Icon} name="search" />
        <input ref=${search} class="input" type="search" aria-label="Search by number or a part of one" placeholder="Number, or its last digits" value=${typed} onInput=${(event) => type(event.target.value)} />
      </div>
      ${several && html`<select class="input" aria-label="Tenant" value=${tenant} onChange=${(event) => setTenant(event.target.value)}>
        <option value="">All tenants</option>
        ${tenants.map((one) => html`<option key=${one.number} value=${one.number}>${phone(one.number)} · ${one.assistant.name}</option>`)}
      </select>`}
      <div class="picks" role="group" aria-label="State">
        ${STATES.map(([value, label]) => html`<button key=${value} aria-pressed=${String(state === value)} onClick=${() => setState(value)}>${label}</button>`)}
      </div>
    </header>
    <div class="rows" onKeyDown=${walk}>
      ${list.error && html`<${Trouble} error=${list.error} again=${list.again} />`}
      ${list.rows.map((row) => html`<${Row} key=${keyOf(row)} row=${row} several=${several} current=${current === keyOf(row)} />`)}
      ${!list.rows.length && list.busy && !list.error && html`<${Bones} lines=${6} />`}
      ${!list.rows.length && !list.busy && !list.error && html`<${Empty} icon="chats" title=${user || state || tenant ? 'Nobody found' : 'No conversations yet'}>
        ${user || state || tenant ? 'No conversation matches. Fewer digits find more.' : 'As soon as somebody texts one of your numbers, the conversation is here.'}<//>`}
      <footer class="small quiet" role="status">
        ${list.busy && list.looked > 0 && html`<span>Looked at ${count(list.looked)} so far…</span> <button class="button small" onClick=${list.stop}>Stop</button>`}
        ${!list.busy && list.next && html`<button class="button small" onClick=${list.more}>Show more</button>`}
        ${list.done && list.rows.length > 0 && html`<span>That is all of them.</span>`}
      </footer>
    </div>
  </section>`;
}

export function ConversationsPage({ rest: [tenant, user], me, tenants }) {
  const open = tenant && user;
  return html`<div class=${`page wide two ${open ? 'has-one' : ''}`}>
    <${List} tenants=${tenants} current=${open ? `${tenant} ${user}` : ''} />
    ${open ? html`<${Conversation} key=${`${tenant} ${user}`} tenant=${tenant} user=${user} me=${me} />`
      : html`<section class="nothing-open" aria-label="No conversation is open"><${Empty} icon="chats" title="Pick a conversation">See what was said, what happened and why, and step in where it helps.<//></section>`}
  </div>`;
}
