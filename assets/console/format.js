// Numbers, times and spans as people read them.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const exact = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false });
const dayShort = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayLong = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const whole = new Intl.NumberFormat();

export const timeOfDay = (ms) => clock.format(ms);
export const exactTime = (ms) => exact.format(ms);
export const fullTime = (ms) => full.format(ms);
export const count = (n) => whole.format(n);

export function day(ms) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(ms).setHours(0, 0, 0, 0)) / 86_400_000);
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : dayLong.format(ms);
}

/** When something was, as a list shows it. */
export function ago(ms, now = Date.now()) {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 45) return 'now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min`;
  if (new Date(ms).toDateString() === new Date(now).toDateString()) return clock.format(ms);
  return dayShort.format(ms);
}

/** The same in a sentence. */
export function since(ms, now = Date.now()) {
  const short = ago(ms, now);
  return short === 'now' ? 'just now' : short.endsWith(' min') ? `${short} ago` : short;
}

/** A sentence as it begins. */
export const sentenceOf = (words) => words && words[0].toUpperCase() + words.slice(1);

/** How long something took or will take. */
export function span(ms) {
  if (ms == null || Number.isNaN(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${+(ms / 3_600_000).toFixed(1)} h`;
  return `${Math.round(ms / 86_400_000)} days`;
}

export const spanOfSeconds = (seconds) => (seconds == null ? '–' : span(seconds * 1000));

/** A number in groups, so that it can be read out; what is no North American number stays as it is. */
export function phone(address) {
  const [, prefix, digits] = /^([a-z]+:)?\+1(\d{7,10})$/.exec(address ?? '') ?? [];
  if (!digits) return address ?? '';
  const groups = digits.length === 10 ? [digits.slice(0, 3), digits.slice(3, 6), digits.slice(6)] : [digits.slice(0, 3), digits.slice(3)];
  return `${prefix ?? ''}+1 ${groups.join(' ')}`;
}

/** Who has done something; whoever needs no token has no name. */
export const whoIs = (name) => (name === 'loopback' ? 'someone here' : name);

/** What part of a number was looked for, once spaces and the like are taken out. */
export const digitsOf = (text) => text.replace(/[\s().-]/g, '');

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
