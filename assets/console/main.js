// The frame of the console: who is here, which page is shown, and whether the line is up.

import { html, render, useEffect, useState } from './preact.js';
import { get, isSignedIn, onStranger, signOut } from './api.js';
import * as live from './live.js';
import { Bones, Icon, Toasts, Trouble, useResource, useSoon } from './parts.js';
import { SignIn } from './signin.js';
import { PhonePage } from './phone.js';
import { ConversationsPage } from './conversations.js';

/** Pages that are not seen first are fetched when they are. */
const later = (load) => {
  let Loaded = null;
  return (props) => {
    const [, draw] = useState(0);
    useEffect(() => {
      if (!Loaded) load().then((page) => { Loaded = page; draw(1); });
    }, []);
    return Loaded ? html`<${Loaded} ...${props} />` : null;
  };
};

const PLACES = [
  { name: 'phone', label: 'Phone', icon: 'phone', Page: PhonePage },
  { name: 'conversations', label: 'Conversations', short: 'Chats', icon: 'chats', Page: ConversationsPage },
  { name: 'letters', label: 'Dead letters', short: 'Letters', icon: 'letter', Page: later(() => import('./letters.js').then((m) => m.LettersPage)) },
  { name: 'tenants', label: 'Tenants', icon: 'tenants', Page: later(() => import('./tenants.js').then((m) => m.TenantsPage)) },
  { name: 'overview', label: 'Overview', icon: 'chart', Page: later(() => import('./overview.js').then((m) => m.OverviewPage)) },
  { name: 'audit', label: 'Audit log', short: 'Audit', icon: 'audit', Page: later(() => import('./audit.js').then((m) => m.AuditPage)) },
];

function useRoute() {
  const read = () => location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);
  const [route, set] = useState(read);
  useEffect(() => {
    const changed = () => set(read());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

function useTheme() {
  const KEY = 'raconteur.theme';
  const system = matchMedia('(prefers-color-scheme: dark)');
  const [theme, set] = useState(() => localStorage.getItem(KEY) ?? (system.matches ? 'dark' : 'light'));
  document.documentElement.dataset.theme = theme;
  useEffect(() => {
    const changed = () => localStorage.getItem(KEY) ?? set(system.matches ? 'dark' : 'light');
    system.addEventListener('change', changed);
    return () => system.removeEventListener('change', changed);
  }, [theme]);
  const turn = () => {
    const next = theme === 'dark' ? 'light' : 'dark';
    localStorage.setItem(KEY, next);
    set(next);
  };
  return [theme, turn];
}

const LINE = { live: 'Live', away: 'Reconnecting…', off: 'Not connected' };

function Rail({ place, me, tenants, theme, turnTheme }) {
  const line = live.useLineState();
  const letters = useResource('/dead-letters?limit=100');
  const lookSoon = useSoon(letters.look, 2000);
  live.useHappenings((event) => (event.type === 'turn.failed' || event.type === 'refresh') && lookSoon());
  useEffect(() => { lookSoon(); }, [place]);
  const waiting = letters.data?.dead_letters.length ?? 0;
  const hasPhone = tenants?.some((tenant) => tenant.channel.kind === 'phone');
  return html`<nav class="rail" aria-label="Console">
    <a class="brand" href="#/"><img src="/console/icon.svg" alt="" width="26" height="26" />Raconteur</a>
    ${PLACES.filter((one) => one.name !== 'phone' || hasPhone).map((one) => html`<a key=${one.name} class="place" href=${`#/${one.name}`} aria-current=${one.name === place ? 'page' : null}>
      <${Icon} name=${one.icon} /><span class="label">${one.label}</span><span class="short" aria-hidden="true">${one.short ?? one.label}</span>
      ${one.name === 'letters' && waiting > 0 && html`<span class="count">${waiting > 99 ? '99+' : waiting}<span class="unseen"> waiting</span></span>`}
    </a>`)}
    <div class="foot">
      <span class="line-state" data-state=${line} role="status"><i />${LINE[line]}</span>
      <a class="place" href="/v1/docs"><${Icon} name="book" />API reference</a>
      <button class="place" onClick=${turnTheme}><${Icon} name=${theme === 'dark' ? 'sun' : 'moon'} />${theme === 'dark' ? 'Light' : 'Dark'}</button>
      ${isSignedIn() && html`<button class="place" onClick=${signOut}><${Icon} name="out" />Sign out ${me.name}</button>`}
    </div>
  </nav>`;
}

/** Says that the line is down, once it has been for a moment. */
function Away() {
  const line = live.useLineState();
  const [shown, show] = useState(false);
  useEffect(() => {
    if (line === 'live') return show(false);
    const timer = setTimeout(() => show(true), 2500);
    return () => clearTimeout(timer);
  }, [line]);
  return html`<div role="status">${shown && html`<p class="line-away"><${Icon} name="warn" />The gateway does not answer. What is shown may be old; the page goes on by itself when it is back.</p>`}</div>`;
}

function Console({ me, theme, turnTheme }) {
  const [name, ...rest] = useRoute();
  const { data, error, look } = useResource('/tenants');
  const tenants = data?.tenants;
  useEffect(() => {
    live.start();
    return live.stop;
  }, []);
  const first = tenants?.some((tenant) => tenant.channel.kind === 'phone') ? 'phone' : 'conversations';
  const place = PLACES.find((one) => one.name === (name ?? first));
  useEffect(() => {
    document.title = place ? `${place.label} – Raconteur` : 'Raconteur';
  }, [place]);
  const page = error && !tenants ? html`<div class="page"><${Trouble} error=${error} again=${look} /></div>`
    : !tenants ? html`<div class="page wait"><${Bones} /></div>`
    : place ? html`<${place.Page} key=${place.name} rest=${rest} me=${me} tenants=${tenants} />`
    : html`<div class="page"><h1>There is no such page</h1><p><a href="#/">Back to the beginning</a></p></div>`;
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById('main').focus(); }}>Skip to the page</a>
    <${Rail} place=${place?.name} me=${me} tenants=${tenants} theme=${theme} turnTheme=${turnTheme} />
    <main id="main" tabindex="-1"><${Away} />${page}
      ${rest.length < 2 && html`<footer class="pocket small">
        <button class="button plain small" onClick=${turnTheme}><${Icon} name=${theme === 'dark' ? 'sun' : 'moon'} />${theme === 'dark' ? 'Light' : 'Dark'}</button>
        <a class="button plain small" href="/v1/docs"><${Icon} name="book" />API</a>
        ${isSignedIn() && html`<button class="button plain small" onClick=${signOut}><${Icon} name="out" />Sign out</button>`}
      </footer>`}
    </main>
    <${Toasts} />
  </div>`;
}

function App() {
  const [me, setMe] = useState(null);
  const [problem, setProblem] = useState(null);
  const [theme, turnTheme] = useTheme();
  const enter = () => get('/me').then((found) => { setMe(found); setProblem(null); }).catch((error) => setProblem(error));
  useEffect(() => {
    enter();
    return onStranger(() => { setMe(null); setProblem({ status: 401 }); });
  }, []);
  if (me) return html`<${Console} me=${me} theme=${theme} turnTheme=${turnTheme} />`;
  if (problem?.status === 401) return html`<${SignIn} onDone=${(found) => { setProblem(null); setMe(found); }} />`;
  if (problem) return html`<main class="page"><${Trouble} error=${problem} again=${enter} /></main>`;
  return html`<main class="page wait"><${Bones} /></main>`;
}

render(html`<${App} />`, document.getElementById('app'));
