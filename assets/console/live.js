// What happens, as it happens: one stream for the whole console. It comes back by itself, goes on where it was, and says so when something
// was missed; then whoever shows anything looks anew.

import { useEffect, useRef, useState } from './preact.js';
import { headers, onStranger } from './api.js';

const listeners = new Set();
const watchers = new Set();
let state = 'off';
let last = null;
let running = null;

function become(next) {
  if (next === state) return;
  state = next;
  watchers.forEach((watch) => watch(next));
}

function tell(event) {
  listeners.forEach((listener) => listener(event));
}

function* events(buffer) {
  for (const block of buffer.split('\n\n')) {
    const event = { kind: '', id: '', data: '' };
    for (const line of block.split('\n')) {
      if (line.startsWith('event:')) event.kind = line.slice(6).trim();
      else if (line.startsWith('id:')) event.id = line.slice(3).trim();
      else if (line.startsWith('data:')) event.data += line.slice(5).trim();
    }
    if (event.kind) yield event;
  }
}

async function listen(signal) {
  const sent = { ...headers(), accept: 'text/event-stream' };
  if (last) sent['last-event-id'] = last;
  const response = await fetch('/v1/operator/stream', { headers: sent, signal, cache: 'no-store' });
  if (response.status === 401) return 'stranger';
  if (response.status === 400) last = null;
  if (!response.ok) return 'away';
  become('live');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return 'away';
    buffer += value;
    const end = buffer.lastIndexOf('\n\n');
    if (end < 0) continue;
    for (const event of events(buffer.slice(0, end))) {
      if (event.id) last = event.id;
      if (event.kind === 'happened') tell(JSON.parse(event.data));
      else if (event.kind === 'gap') tell({ type: 'refresh' });
    }
    buffer = buffer.slice(end + 2);
  }
}

async function run(signal) {
  let wait = 500;
  let wasAway = false;
  while (!signal.aborted) {
    const began = Date.now();
    const ended = await listen(signal).catch(() => 'away');
    if (signal.aborted) return;
    if (ended === 'stranger') return become('off');
    if (Date.now() - began > 5_000) wait = 500;
    become('away');
    wasAway = true;
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 10_000);
    if (wasAway && !last) tell({ type: 'refresh' });
  }
}

export function start() {
  stop();
  running = new AbortController();
  become('away');
  run(running.signal);
}

export function stop() {
  running?.abort();
  running = null;
  become('off');
}

onStranger(stop);

/** Calls `hear` with everything that happens. */
export function useHappenings(hear) {
  const latest = useRef(hear);
  latest.current = hear;
  useEffect(() => {
    const listener = (event) => latest.current(event);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
}

export function useLineState() {
  const [shown, show] = useState(state);
  useEffect(() => {
    show(state);
    watchers.add(show);
    return () => watchers.delete(show);
  }, []);
  return shown;
}
