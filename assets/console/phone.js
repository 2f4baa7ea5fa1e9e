// The simulated phone: handsets side by side, each with a number of its own, that text our numbers through the phone channel.

import { html, useEffect, useRef, useState } from './preact.js';
import { useHappenings } from './live.js';
import { Icon } from './parts.js';
import { phone } from './format.js';
import { Handset } from './handset.js';

const KEY = 'raconteur.handsets';

/** A browser keeps six lines to one server; each handset has one. */
const MOST = 3;

const fresh = () => `+1555${String(Math.floor(Math.random() * 10_000_000)).padStart(7, '0')}`;

function remembered(tenants) {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    const good = kept.filter((one) => tenants.some((tenant) => tenant.number === one.tenant) && /^\+\d{5,15}$/.test(one.user));
    if (good.length) return good.slice(0, MOST);
  } catch { /* What cannot be read is not remembered. */ }
  return [{ tenant: tenants[0].number, user: '+15550199' }];
}

export function PhonePage({ tenants }) {
  const ours = tenants.filter((tenant) => tenant.channel.kind === 'phone');
  const [handsets, set] = useState(() => (ours.length ? remembered(ours) : []));
  const hear = useRef(new Map());
  useHappenings((event) => hear.current.get(`${event.tenant} ${event.user}`)?.(event));
  useEffect(() => localStorage.setItem(KEY, JSON.stringify(handsets)), [handsets]);
  if (!ours.length) {
    return html`<div class="page"><h1>No phone here</h1><p class="soft">No number is on a channel of kind <code>phone</code>. Add one to the configuration to try a bot without an account.</p></div>`;
  }
  const change = (index, next) => set(handsets.map((one, at) => (at === index ? next : one)));
  const remove = (index) => set(handsets.filter((_, at) => at !== index));
  const add = () => set([...handsets, { tenant: handsets.at(-1)?.tenant ?? ours[0].number, user: fresh() }]);
  return html`<div class="page desk">
    <header>
      <div>
        <h1>Phone</h1>
        <p>Text your bot as a person would. Nothing leaves this machine, and everything else is as in earnest.</p>
      </div>
      <div class="end">
        ${handsets.length < MOST && html`<button class="button" onClick=${add}><${Icon} name="plus" />Another phone</button>`}
      </div>
    </header>
    <div class="handsets">
      ${handsets.map((one, index) => html`<${Handset}
        key=${`${one.tenant} ${one.user}`}
        tenant=${ours.find((tenant) => tenant.number === one.tenant)}
        tenants=${ours}
        user=${one.user}
        listen=${(tell) => { hear.current.set(`${one.tenant} ${one.user}`, tell); return () => hear.current.delete(`${one.tenant} ${one.user}`); }}
        onTenant=${(tenant) => change(index, { ...one, tenant })}
        onNumber=${() => change(index, { ...one, user: fresh() })}
        onRemove=${handsets.length > 1 ? () => remove(index) : null} />`)}
    </div>
    <p class="small quiet desk-foot">${handsets.map((one) => html`<a key=${one.user} href=${`#/conversations/${encodeURIComponent(one.tenant)}/${encodeURIComponent(one.user)}`}>See the conversation of ${phone(one.user)}</a> `)}</p>
  </div>`;
}
