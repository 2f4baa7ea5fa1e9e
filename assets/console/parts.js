// Parts that all pages are made of.

import { html, useCallback, useEffect, useRef, useState } from './preact.js';
import { get, inWords } from './api.js';
import { ago, fullTime } from './format.js';

const PATHS = {
  phone: 'M8 2.5h8a2 2 0 0 1 2 2v15a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2v-15a2 2 0 0 1 2-2zM10.5 18.5h3',
  chats: 'M4 5h11a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H9l-4 3v-3H4a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zM20 9.5a2 2 0 0 1 2 2V16a2 2 0 0 1-2 2v2.5L17 18h-4',
  letter: 'M3 6.5h18v12H3zM3 7l9 6.5L21 7M15.5 15l3 3M18.5 15l-3 3',
  tenants: 'M9 4 7 20M17 4l-2 16M4 9h17M3 15h17',
  chart: 'M4 4v16h16M8 15l3.5-4.5 3 2.5L20 6.5',
  audit: 'M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h5',
  search: 'M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16 16l4.5 4.5',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  back: 'M15 5l-7 7 7 7',
  send: 'M12 19V5M6 11l6-6 6 6',
  tick: 'M5 12.5l4.5 4.5L19 7.5',
  ticks: 'M2.5 12.5 7 17l9-9.5M12 16.5l.8.5L22 7.5',
  warn: 'M12 4 2.5 20h19zM12 10v4.5M12 17.2v.3',
  clock: 'M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17zM12 7.5V12l3 2',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  down: 'M12 4v11M7 10.5l5 5 5-5M4 20h16',
  bin: 'M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13',
  hand: 'M8 12V6a1.5 1.5 0 0 1 3 0v5-6.5a1.5 1.5 0 0 1 3 0V11 6a1.5 1.5 0 0 1 3 0v8.5c0 4-2.5 6.5-6 6.5-3 0-4.3-1.5-5.5-4L4 13.2a1.5 1.5 0 0 1 2.6-1.5L8 13.5',
  robot: 'M5 8.5h14v10.5H5zM12 8.5V4.5M9 13v1.5M15 13v1.5M2.5 12v4M21.5 12v4',
  stop: 'M6.5 6.5h11v11h-11z',
  again: 'M4.5 12a7.5 7.5 0 0 1 13-5.2L20 9M20 4.5V9h-4.5M19.5 12a7.5 7.5 0 0 1-13 5.2L4 15M4 19.5V15h4.5',
  sun: 'M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3 7 7M17 17l1.7 1.7M5.3 18.7 7 17M17 7l1.7-1.7',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z',
  out: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  image: 'M4 5h16v14H4zM4 16l4.5-4.5L13 16l2.5-2.5L20 18M15.5 8.5v.1',
  user: 'M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20.5c.8-4 3.7-6 7.5-6s6.7 2 7.5 6',
  bolt: 'M13 3 5 14h6l-1 7 8-11h-6z',
  mute: 'M4 9.5h3.5L12 5.5v13l-4.5-4H4zM16 9.5l5 5M21 9.5l-5 5',
  book: 'M5 4h9a4 4 0 0 1 4 4v12H9a4 4 0 0 1-4-4zM5 16a4 4 0 0 1 4-4h9',
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/** A time that says in full when it was. */
export const When = ({ ms, words = ago }) => html`<time class="nowrap" dateTime=${new Date(ms).toISOString()} title=${fullTime(ms)}>${words(ms)}</time>`;

export const Chip = ({ kind = '', icon, children }) => html`<span class=${`chip ${kind}`}>${icon && html`<${Icon} name=${icon} />`}${children}</span>`;

export const Empty = ({ icon, title, children }) => html`<div class="empty"><${Icon} name=${icon} /><b>${title}</b><p>${children}</p></div>`;

export const Bones = ({ lines = 5 }) => html`<div class="bones" aria-hidden="true">${Array.from({ length: lines }, () => html`<i />`)}</div><span class="unseen" role="status">Loading</span>`;

export const Trouble = ({ error, again }) => html`<div class="note bad" role="alert">
  <${Icon} name="warn" /><span>${inWords(error)}</span>
  ${again && html`<button class="button small" onClick=${again}>Try again</button>`}
</div>`;

/** What a path of the API has, and a way to look again. What was shown stays while it is looked for. */
export function useResource(path) {
  const [found, keep] = useState({ path: null, data: null, error: null });
  const running = useRef(null);
  const look = useCallback(async () => {
    if (!path) return;
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    try {
      const data = await get(path, controller.signal);
      keep({ path, data, error: null });
    } catch (error) {
      if (error.name !== 'AbortError') keep((before) => ({ path, data: before.path === path ? before.data : null, error }));
    }
  }, [path]);
  useEffect(() => {
    look();
    return () => running.current?.abort();
  }, [look]);
  const current = found.path === path ? found : { data: null, error: null };
  return { ...current, look };
}

/** Calls something once nothing more has asked for it for a while. */
export function useSoon(call, wait) {
  const latest = useRef(call);
  latest.current = call;
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => latest.current(), wait);
  }, [wait]);
}

/** Calls something every so often, while the page is looked at. */
export function useEvery(call, wait) {
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && latest.current(), wait);
    return () => clearInterval(timer);
  }, [wait]);
}

let showToast = () => {};

/** Says in passing what has happened. */
export const say = (words) => showToast({ words, kind: '' });
export const complain = (error) => showToast({ words: inWords(error), kind: 'bad' });

export function Toasts() {
  const [toasts, set] = useState([]);
  useEffect(() => {
    let next = 0;
    showToast = (toast) => {
      const id = (next += 1);
      set((all) => [...all.slice(-2), { ...toast, id }]);
      setTimeout(() => set((all) => all.filter((one) => one.id !== id)), toast.kind ? 8000 : 3500);
    };
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map((toast) => html`<div key=${toast.id} class=${`toast ${toast.kind}`}>${toast.words}</div>`)}
  </div>`;
}

/** A question that must be answered before something is done. */
export function Confirm({ title, children, action, danger, onDone }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current.showModal(), []);
  const act = async (event) => {
    event.preventDefault();
    setBusy(true);
    await onDone(true);
  };
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${() => onDone(false)}>
    <form method="dialog" onSubmit=${act}>
      <h2 id="dialog-title">${title}</h2>
      <p class="soft">${children}</p>
      <div class="ends">
        <button type="button" class="button plain" onClick=${() => dialog.current.close()}>Cancel</button>
        <button class=${`button main ${danger ? 'danger' : ''}`} disabled=${busy}>${action}</button>
      </div>
    </form>
  </dialog>`;
}

/** A button that copies a text. */
export function Copy({ text, label = 'Copy' }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say('Copied');
    } catch {
      complain(new Error('The browser does not let this page copy. Mark the text and copy it by hand.'));
    }
  };
  return html`<button type="button" class="button small" onClick=${copy}><${Icon} name="copy" />${label}</button>`;
}

/** A JSON value to look into. */
export function Tree({ name, value, open }) {
  const label = name !== undefined && html`<span class="name">${name}</span>`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value);
    const brackets = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
    return html`<details open=${open}>
      <summary>${label} <span class="quiet">${brackets}</span></summary>
      <div>${entries.map(([key, inner]) => html`<${Tree} key=${key} name=${key} value=${inner} />`)}</div>
    </details>`;
  }
  const kind = typeof value === 'string' ? 'text' : typeof value === 'number' ? 'number' : '';
  return html`<div>${label}${label && ': '}<span class=${kind}>${value === null ? 'null' : String(value)}</span></div>`;
}
