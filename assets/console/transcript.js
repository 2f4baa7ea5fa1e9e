// What was said, turn by turn: bubbles, and behind each turn when it was accepted, asked, answered, handed over and delivered.

import { html } from './preact.js';
import { post } from './api.js';
import { Chip, Icon, complain, say } from './parts.js';
import { day, exactTime, plural, sentenceOf, span, timeOfDay, whoIs } from './format.js';
import { Attachments, Words } from './bubbles.js';

const KINDS = {
  start: ['bolt', 'A session was started by request'],
  end: ['stop', 'The session was ended by request'],
  take_over: ['hand', 'A person took over'],
  hand_back: ['robot', 'Handed back to the assistant'],
  no_input: ['robot', 'The assistant went on by itself'],
  timeout: ['clock', 'The session timed out'],
  preference: ['mute', 'The provider told us of a STOP or START'],
  open_pipe: ['phone', 'A voice gateway took over the texts'],
  close_pipe: ['phone', 'The voice gateway is through'],
  delivery_failed: ['warn', 'A text of ours did not arrive'],
  erase: ['bin', 'An erasure was requested'],
};

/** What became of a text of ours: an icon, a word, and a sentence. */
function fate(text) {
  if (text.delivery) {
    const { status, code } = text.delivery;
    const why = code ? ` (code ${code})` : '';
    if (status === 'delivered') return ['ticks', 'Delivered', 'It is on their phone.'];
    if (status === 'read') return ['ticks', 'Read', 'They have read it.'];
    if (status === 'undelivered') return ['warn', 'Not delivered', `The carrier could not deliver it${why}.`];
    if (status === 'failed') return ['warn', 'Failed', `The provider could not send it${why}.`];
  }
  switch (text.state) {
    case 'sent': return ['tick', 'Sent', 'The provider has it. No receipt has come yet.'];
    case 'queued': return ['clock', 'Queued', 'It waits for its turn to be sent.'];
    case 'sending': return ['clock', 'Sending', 'It is being handed to the provider.'];
    case 'held': return ['clock', 'Held', `It is quiet: it goes at ${timeOfDay(text.until)}.`];
    case 'retry': return ['again', 'Trying again', `The provider did not take it ${plural(text.tries, 'time')}; it is tried again at ${timeOfDay(text.at)}.`];
    case 'unknown': return ['warn', 'In doubt', 'Nobody knows whether the provider took it; its log is being asked.'];
    case 'given_up': return ['warn', 'Unknown', 'Whether it was sent could not be found out, and it was not risked to send it twice.'];
    case 'failed': return ['warn', 'Failed', `${sentenceOf(text.reason)} (${text.code}).`];
    default: return ['clock', text.state, ''];
  }
}

const isBad = (text) => text.can_be_resent || text.state === 'unknown';

function Ours({ text, path, canResend, onDone }) {
  const [icon, word, sentence] = fate(text);
  const resend = async () => {
    try {
      await post(`${path}/texts/${text.id}/resend`);
      say('It is on its way once more');
      onDone();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class=${`bubble mine ${isBad(text) ? 'wrong' : ''}`}>
    ${text.text && html`<${Words} text=${text.text} />`}
    <${Attachments} urls=${text.media} />
    <span class="meta" title=${sentence}>${text.segments > 1 && html`<span>${plural(text.segments, 'segment')}</span>`}<span>${word}</span><${Icon} name=${icon} /></span>
    ${isBad(text) && html`<p class="why small">${sentence} ${canResend && text.can_be_resent && html`<button class="button small" onClick=${resend}><${Icon} name="again" />Send again</button>`}</p>`}
  </div>`;
}

/** The steps of a turn, in order, as far as they are known. */
function steps(turn) {
  const sent = turn.texts.map((text) => text.sent_at_ms).filter(Boolean);
  const delivered = turn.texts.filter((text) => ['delivered', 'read'].includes(text.delivery?.status)).map((text) => text.delivery.at_ms);
  return [
    ['accepted', 'Accepted', turn.accepted_at_ms, 'It was on disk, and the provider was told so.'],
    ['asked', 'Asked', turn.asked_at_ms, `The assistant was asked${turn.asks > 1 ? `, ${turn.asks} times in all` : ''}.`],
    ['answered', 'Answered', turn.answered_at_ms, 'Its answer was committed: from here on nothing is lost.'],
    ['sent', 'Sent', sent.length ? Math.max(...sent) : null, 'The provider was handed the last text.'],
    ['delivered', 'Delivered', delivered.length && delivered.length === turn.texts.length ? Math.max(...delivered) : null, 'The provider says that all of it arrived.'],
  ].filter(([, , at]) => at != null);
}

function Timeline({ turn }) {
  const all = steps(turn);
  const whole = Math.max(1, all.at(-1)[2] - all[0][2]);
  return html`<div class="timeline">
    <div class="lane" aria-hidden="true">${all.slice(1).map(([name, , at], index) => html`<i key=${name} class=${name} style=${{ flexGrow: Math.max(0.02, (at - all[index][2]) / whole) }} />`)}</div>
    <ol>${all.map(([name, word, at, sentence], index) => html`<li key=${name} class=${name} title=${sentence}>
      <b>${word}</b><span class="quiet">${index ? `+${span(at - all[index - 1][2])}` : exactTime(at)}</span></li>`)}</ol>
    ${turn.commands?.length > 0 && html`<p class="chips"><span class="quiet small">Commands</span>${turn.commands.map((name) => html`<${Chip} key=${name} kind="code">${name}<//>`)}</p>`}
    <p class="quiet small">Turn ${turn.id}${turn.answered_with ? `, answered with turn ${turn.answered_with}` : ''}</p>
  </div>`;
}

function summary(turn) {
  const took = turn.answered_at_ms - turn.accepted_at_ms;
  if (turn.error) return 'What happened';
  if (!turn.asks) return turn.kind === 'text' ? 'The assistant was not asked' : 'Carried out';
  return `Answered in ${span(took)}`;
}

function Turn({ turn, path, canResend, onDone }) {
  const said = turn.kind === 'text';
  const byUs = turn.kind === 'send';
  const [icon, words] = KINDS[turn.kind] ?? [];
  return html`<article class="turn">
    ${said && html`<div class="bubble theirs">
      ${turn.text && html`<${Words} text=${turn.text} />`}
      <${Attachments} urls=${turn.media?.map?.((medium) => medium.url)} />
      <span class="meta">${timeOfDay(turn.accepted_at_ms)}</span>
    </div>`}
    ${!said && !byUs && html`<p class="event small"><${Icon} name=${icon ?? 'bolt'} />${words ?? turn.kind}${turn.by ? ` (${whoIs(turn.by)})` : ''}${turn.failed_text ? ` (${turn.failed_text.reason})` : ''} · ${timeOfDay(turn.accepted_at_ms)}</p>`}
    ${turn.error && html`<p class="event bad small"><${Icon} name="warn" />${sentenceOf(turn.error)}</p>`}
    ${turn.texts.map((text) => html`<${Ours} key=${text.id} text=${text} path=${path} canResend=${canResend} onDone=${onDone} />`)}
    ${(said || byUs || turn.texts.length > 0) && html`<details class="behind"><summary class="small">${byUs ? `Sent by request at ${timeOfDay(turn.accepted_at_ms)}` : summary(turn)}</summary><${Timeline} turn=${turn} /></details>`}
  </article>`;
}

function Waiting({ one }) {
  if (!one.unread || one.unread.kind !== 'text') return null;
  return html`<article class="turn"><div class="bubble theirs">
    ${one.unread.text && html`<${Words} text=${one.unread.text} />`}
    <span class="meta">${timeOfDay(one.unread.accepted_at_ms)} · waiting</span>
  </div><div class="bubble mine typing"><i /><i /><i /><span class="unseen">The turn is running</span></div></article>`;
}

export function Transcript({ turns, waiting, path, canResend, onDone }) {
  const days = [];
  for (const turn of turns) {
    const label = day(turn.accepted_at_ms);
    if (days.at(-1)?.label !== label) days.push({ label, turns: [] });
    days.at(-1).turns.push(turn);
  }
  const answered = new Set(turns.map((turn) => turn.id));
  return html`${days.map(({ label, turns: those }) => html`<section key=${label} class="day" aria-label=${label}>
      <h3><span>${label}</span></h3>
      ${those.map((turn) => html`<${Turn} key=${turn.id} turn=${turn} path=${path} canResend=${canResend} onDone=${onDone} />`)}
    </section>`)}
    ${waiting.filter((one) => one.unread && !answered.has(one.unread.id)).map((one) => html`<${Waiting} key=${one.unread.id} one=${one} />`)}`;
}
