// What must not compile: each line after a mark uses what was generated in a way that the interface does not allow. A compiler that finds
// nothing wrong there says so, and that fails the test; so it would if the types were too wide to tell.

import createClient from 'openapi-fetch';
import type { components, operations, paths } from './raconteur.js';

type Shapes = components['schemas'];

const client = createClient<paths>({ baseUrl: 'http://127.0.0.1:1' });
const params = { path: { tenant: '+15550100' } };

export async function wrongRequests() {
  // @ts-expect-error the field is called `timeout_s`
  const body: Shapes['SessionStart'] = { user: '+15550199', timeout: 600 };
  await client.POST('/v1/tenants/{tenant}/sessions', { params, body });
  // @ts-expect-error it is a number
  await client.POST('/v1/tenants/{tenant}/sessions', { params, body: { user: '+15550199', timeout_s: '600' } });
  // @ts-expect-error it is `replace` or `refuse`
  await client.POST('/v1/tenants/{tenant}/sessions', { params, body: { user: '+15550199', on_open: 'ask' } });
  // @ts-expect-error a session is somebody's
  await client.POST('/v1/tenants/{tenant}/sessions', { params, body: { text: 'Hello' } });
  // @ts-expect-error the body must be there
  await client.POST('/v1/tenants/{tenant}/sessions', { params });
  // @ts-expect-error the number is wanted
  await client.GET('/v1/tenants/{tenant}/sessions', {});
  // @ts-expect-error there is no such path
  await client.GET('/v1/tenants/{tenant}/session', { params });
  // @ts-expect-error there is no such state
  await client.GET('/v1/operator/conversations', { params: { query: { state: 'closed' } } });
}

export function wrongReadings(page: Shapes['ConversationPage'], turn: Shapes['Turn'], tenant: Shapes['Tenant'], one: Shapes['Conversation']) {
  // @ts-expect-error the last page has no next
  page.next.length;
  // @ts-expect-error no session may be open
  page.conversations[0]?.session.turns;
  // @ts-expect-error the field is called `user`
  page.conversations[0]?.number;
  // @ts-expect-error no text is ever in that state
  turn.texts.some((text) => text.state === 'arrived');
  // @ts-expect-error nor is a delivery
  turn.texts.some((text) => text.delivery?.status === 'seen');
  // @ts-expect-error there is no such kind
  turn.kind === 'question';
  // @ts-expect-error it is in `rules`
  tenant.session_timeout_s;
  // @ts-expect-error it is a number of seconds
  tenant.rules.session_timeout_s.trim();
  // @ts-expect-error it may be left out
  one.waiting[0]?.unread.kind;
  // @ts-expect-error nobody knows what an assistant remembers
  one.context?.data.name;
}

export function wrongProblems(
  conflict: operations['startSession']['responses'][409]['content']['application/problem+json'],
  // @ts-expect-error nothing that is only read stands in the way of anything
  other: operations['getSession']['responses'][409],
) {
  // @ts-expect-error a start is not refused for that
  if (conflict.code === 'not_taken_over') return other;
  // @ts-expect-error it has no such field
  return conflict.message;
}
