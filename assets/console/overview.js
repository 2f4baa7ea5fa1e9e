// How much goes on, how fast and how well: the last hour as charts, the rest as figures.

import { html, useEffect, useState } from './preact.js';
import { Bones, Icon, Trouble, useEvery, useResource } from './parts.js';
import { count, phone, span } from './format.js';
import { Chart } from './chart.js';
import { Health } from './tenants.js';

const SPANS = [[6 * 5, '5 min'], [6 * 15, '15 min'], [6 * 60, '1 hour']];

function Figure({ label, value, under, kind = '' }) {
  return html`<div class=${`figure ${kind}`}><span class="small soft">${label}</span><b>${value}</b><span class="small quiet">${under}</span></div>`;
}

/** A rate to as many places as matter. */
const paced = (rate) => (rate < 100 ? rate.toFixed(1) : count(Math.round(rate)));

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
const more = ({ count: n, or_more }) => `${count(n)}${or_more ? ' or more' : ''}`;
const last = (numbers) => numbers.findLast((one) => one != null);

export function OverviewPage() {
  const { data, error, look } = useResource('/overview');
  const [steps, setSteps] = useState(SPANS[1][0]);
  useEvery(look, 5000);
  if (error && !data) return html`<div class="page"><${Trouble} error=${error} again=${look} /></div>`;
  if (!data) return html`<div class="page"><h1>Overview</h1><div class="card"><${Bones} lines=${8} /></div></div>`;
  const { series, totals, queues, conversations, tenants } = data;
  const cut = (numbers) => numbers.slice(-steps);
  const at = cut(series.at_ms).map((ms) => ms / 1000);
  const minutes = Math.max(1, (at.length * series.step_s) / 60);
  const rate = (numbers) => cut(numbers).map((n) => n / series.step_s);
  const failed = sum(cut(series.turns_failed)) + sum(cut(series.send_failed));
  return html`<div class="page">
    <header>
      <div><h1>Overview</h1><p>What this process has done since it began. <code>/metrics</code> has the same for Prometheus.</p></div>
      <div class="end picks" role="group" aria-label="How far back">${SPANS.map(([n, label]) => html`<button key=${n} aria-pressed=${String(steps === n)} onClick=${() => setSteps(n)}>${label}</button>`)}</div>
    </header>
    ${queues.limit && html`<div class="note warn"><${Icon} name="warn" />New texts are being refused, or soon will be: ${queues.limit}.</div>`}
    <div class="figures">
      <${Figure} label="Texts in" value=${paced(sum(cut(series.received)) / minutes)} under=${`a minute · ${count(totals.received)} in all`} />
      <${Figure} label="Texts out" value=${paced(sum(cut(series.sent)) / minutes)} under=${`a minute · ${count(totals.sent)} in all`} />
      <${Figure} label="Turn, median" value=${span(last(cut(series.turn_p50_ms)))} under=${`p99 ${span(last(cut(series.turn_p99_ms)))}`} />
      <${Figure} label="Failures" value=${count(failed)} kind=${failed ? 'bad' : ''} under=${`${count(totals.turns_failed)} turns, ${count(totals.send_failed)} texts in all`} />
      <${Figure} label="Waiting" value=${more(queues.unsettled)} under=${`conversations · ${more(queues.dead_letters)} dead letters`} />
      <${Figure} label="In memory" value=${count(conversations.in_memory)} under=${`${count(conversations.waiting_for_room)} wait for room`} />
      <${Figure} label="Sessions" value=${count(totals.sessions_started)} under=${`begun · ${count(totals.sessions_ended)} ended`} />
      <${Figure} label="Opt-outs" value=${count(totals.opted_out)} under=${`${count(totals.opted_in)} came back`} />
    </div>
    <div class="charts">
      <section class="card"><header><h2>Texts a second</h2></header>
        <${Chart} label="Texts a second over time" at=${at} lines=${[
          { label: 'In', values: rate(series.received), colour: '--chart-1', fill: true },
          { label: 'Out', values: rate(series.sent), colour: '--chart-2' },
          { label: 'Failed', values: cut(series.turns_failed).map((n, i) => (n + cut(series.send_failed)[i]) / series.step_s), colour: '--chart-3' },
        ]} /></section>
      <section class="card"><header><h2>How long a turn takes</h2></header>
        <${Chart} label="Latency of turns over time" at=${at} unit="ms" lines=${[
          { label: 'Half', values: cut(series.turn_p50_ms), colour: '--chart-1' },
          { label: '95 of 100', values: cut(series.turn_p95_ms), colour: '--chart-4' },
          { label: '99 of 100', values: cut(series.turn_p99_ms), colour: '--chart-2' },
        ]} /></section>
    </div>
    <section class="card"><header><h2>Assistants and providers</h2></header>
      <div class="scroll-x" tabindex="0" role="region" aria-label="Assistants and providers"><table class="list">
        <thead><tr><th scope="col">Number</th><th scope="col">Provider</th><th scope="col">Assistant</th></tr></thead>
        <tbody>${tenants.map((tenant) => html`<tr key=${tenant.number}>
          <td class="nowrap"><b>${phone(tenant.number)}</b></td>
          <td><${Health} side=${tenant.health.provider} label=${tenant.channel.name} /></td>
          <td><${Health} side=${tenant.health.assistant} label=${tenant.assistant.name} /></td>
        </tr>`)}</tbody>
      </table></div>
    </section>
  </div>`;
}
