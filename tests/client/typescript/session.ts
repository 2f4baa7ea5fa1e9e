// What an integrator writes against the generated types: a session from its start to its end, and what is said when something is wrong.
// `tests/client.rs` starts the gateway and reads what is printed, one line for each thing that was done.
//
// node session.js GATEWAY TOKEN: where it listens, and what opens its number.

import createClient from 'openapi-fetch';
import type { components, operations, paths, webhooks } from './raconteur.js';

declare const process: { argv: string[] };

type Shapes = components['schemas'];
type Conversation = Shapes['ListedConversation'];
type Happening = webhooks['happened']['post']['requestBody']['content']['application/json'];
type Refused = operations['startSession']['responses'];
type RefusedStart = Refused[400 | 401 | 403 | 409 | 413 | 422 | 429 | 500 | 503]['content']['application/problem+json'];

const [, , baseUrl = '', token = ''] = process.argv;
const owner = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } });
const operator = createClient<paths>({ baseUrl });

const tenant = '+15550100';
const user = '+15550199';
const others = ['+15550177', '+15550178', '+15550179', '+15550180'];

const done = (what: string) => console.log(`did: ${what}`);

function must<T>(value: T | undefined, problem: unknown): T {
  if (value === undefined) throw new Error(`refused: ${JSON.stringify(problem)}`);
  return value;
}

function equal<T>(found: T, wanted: T) {
  if (found !== wanted) throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`);
}

/** Starts a session and waits until it is there: whoever does not want to replace one is told what became of it. */
async function start(key: string, body: Shapes['SessionStart']) {
  const params = { path: { tenant }, header: { 'Idempotency-Key': key } };
  return owner.POST('/v1/tenants/{tenant}/sessions', { params, body: { on_open: 'refuse', ...body } });
}

/** Every problem of a start that there is, by its status: nothing is left over for the last line. */
function inWords(problem: RefusedStart): string {
  switch (problem.status) {
    case 409:
      return problem.code === 'session_open' ? 'somebody talks to them already' : `they cannot be texted: ${problem.code}`;
    case 422:
      return 'the key was used for something else';
    case 400:
    case 413:
      return `this program is wrong (${problem.code}): ${problem.detail}`;
    case 401:
    case 403:
      return 'these are the wrong credentials';
    case 429:
    case 503:
      return 'later';
    case 500:
      return problem.detail;
    default: {
      const nothing: never = problem;
      return nothing;
    }
  }
}

async function aSessionIsStarted() {
  const started = await start('reminder-4711', { user, user_data: { appointment: '4711' }, timeout_s: 600 });
  const receipt: Shapes['Started'] = must(started.data, started.error);
  equal(receipt.repeated, false);
  equal(receipt.user, user);
  const again = must((await start('reminder-4711', { user, user_data: { appointment: '4711' }, timeout_s: 600 })).data, 'a repeat');
  equal(again.repeated, true);
  equal(again.id, receipt.id);
  done('start a session once, under a key');
}

async function itIsLookedAt() {
  const { data, error } = await owner.GET('/v1/tenants/{tenant}/sessions/{user}', { params: { path: { tenant, user } } });
  const session: Shapes['Session'] = must(data, error);
  equal(session.user, user);
  equal(session.ends_at_ms > session.opened_at_ms, true);
  equal(JSON.stringify(session.user_data), '{"appointment":"4711"}');
  done('look at it');
}

async function aTextIsSentInIt() {
  const path = { tenant, user };
  const sent = await owner.POST('/v1/tenants/{tenant}/sessions/{user}/texts', { params: { path }, body: { text: 'Your car is ready.' } });
  const { id } = must(sent.data, sent.error);
  const read = await operator.GET('/v1/operator/conversations/{tenant}/{user}/transcript', { params: { path, query: { limit: 10 } } });
  const turn = must(read.data, read.error).turns.find((one) => one.id === id);
  equal(turn?.kind, 'send');
  const text = turn?.texts[0];
  equal(text?.text, 'Your car is ready.');
  equal(text?.segments, 1);
  const state: Shapes['TextState'] | undefined = text?.state;
  equal(state === 'failed' || state === 'given_up', false);
  done('text in it');
}

/** All conversations, by as many requests as it takes. */
async function* conversations(limit: number): AsyncGenerator<Conversation[]> {
  let after: string | null = '';
  while (after !== null) {
    const query: { limit: number; after?: string } = after ? { limit, after } : { limit };
    const page: { data?: Shapes['ConversationPage']; error?: unknown } = await operator.GET('/v1/operator/conversations', { params: { query } });
    const { conversations, next } = must(page.data, page.error);
    yield conversations;
    after = next;
  }
}

async function everyConversationIsOnOnePage() {
  for (const other of others) must((await start(`start ${other}`, { user: other, text: 'Hello' })).data, other);
  const found: string[] = [];
  let pages = 0;
  for await (const page of conversations(2)) {
    equal(page.length <= 2, true);
    found.push(...page.map((one) => one.user));
    pages += 1;
  }
  equal(found.sort().join(' '), [user, ...others].sort().join(' '));
  equal(pages >= 3, true);
  done('page through all conversations');
}

async function whatIsWrongIsSaid() {
  const bad = await start('another', { user: '+1 (555) 0199' });
  equal(bad.data, undefined);
  const problem = must(bad.error, 'it was taken');
  equal(problem.status, 400);
  if (problem.status === 400) equal(problem.code, 'invalid');
  equal(inWords(problem).startsWith('this program is wrong (invalid): "user"'), true);
  const open = await start('one more', { user });
  equal(inWords(must(open.error, 'it was taken')), 'somebody talks to them already');
  const reused = await start('reminder-4711', { user, text: 'Something else' });
  equal(inWords(must(reused.error, 'it was taken')), 'the key was used for something else');
  const stranger = createClient<paths>({ baseUrl, headers: { authorization: 'Bearer a guess' } });
  const refused = await stranger.GET('/v1/tenants/{tenant}/sessions', { params: { path: { tenant } } });
  equal(refused.error?.status, 401);
  equal(refused.error?.code, 'unauthorized');
  done('read what is wrong');
}

async function itIsEnded() {
  const ended = await owner.DELETE('/v1/tenants/{tenant}/sessions/{user}', { params: { path: { tenant, user } } });
  equal(must(ended.data, ended.error).repeated, false);
  const gone = await owner.GET('/v1/tenants/{tenant}/sessions/{user}', { params: { path: { tenant, user } } });
  const problem = must(gone.error, 'it is there still');
  equal(problem.status === 404 ? problem.code : problem.status, 'no_session');
  done('end it');
}

/** What a webhook of the integrator's would do with an event; it is compiled, and nobody calls it. */
export function told(event: Happening): string {
  const { type, data } = event;
  if (type === 'message.undelivered') return `${data.text ?? ''} did not reach ${data.user}: ${data.code ?? ''}`;
  return type === 'user.opted_out' && data.by === 'provider' ? `the provider has stopped texts to ${data.user}` : data.tenant;
}

await aSessionIsStarted();
await itIsLookedAt();
await aTextIsSentInIt();
await everyConversationIsOnOnePage();
await whatIsWrongIsSaid();
await itIsEnded();
