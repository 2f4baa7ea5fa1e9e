// Every page in every state that matters, light and dark, wide and narrow: judged by axe, not wider than the screen, and kept as a picture
// for people to look at.

import assert from 'node:assert/strict';
import path from 'node:path';

/** A gateway of its own has nothing but dead letters in it, and wants a token; the other is open, and has 100,000 conversations. */
const OPEN = 'open';
const CLOSED = 'closed';

const one = '#/conversations/%2B15550100/%2B15550199';
const unlucky = '#/conversations/%2B15550100/%2B15550433';

const behind = async (page) => {
  await page.locator('.behind summary').last().click();
  await page.locator('.behind[open] .timeline').last().scrollIntoViewIfNeeded();
};

const VIEWS = [
  { name: 'phone', at: OPEN, place: '' },
  { name: 'conversations', at: OPEN, place: '#/conversations', until: 'a.conversation-row' },
  { name: 'conversations-nobody', at: OPEN, place: '#/conversations', prepare: nobodyIsFound },
  { name: 'conversations-none', at: CLOSED, place: '#/conversations', until: '.conversation-list .empty' },
  { name: 'conversation', at: OPEN, place: one, until: '.behind summary', prepare: behind },
  { name: 'conversation-unlucky', at: OPEN, place: unlucky, until: '.bubble.wrong' },
  { name: 'conversation-side', at: OPEN, place: unlucky, until: '.bubble.wrong', prepare: theSideIsShown },
  { name: 'conversation-question', at: OPEN, place: one, until: '.behind summary', prepare: (page) => page.getByRole('button', { name: 'Erase this person' }).click() },
  { name: 'letters', at: CLOSED, place: '#/letters', until: '.letter' },
  { name: 'letters-none', at: OPEN, place: '#/letters', until: '.empty' },
  { name: 'tenants', at: OPEN, place: '#/tenants', until: 'article.card', prepare: (page) => page.locator('details summary').first().click() },
  { name: 'overview', at: OPEN, place: '#/overview', until: '.chart canvas', before: aBusyHour },
  { name: 'overview-quiet', at: CLOSED, place: '#/overview', until: '.chart canvas' },
  { name: 'audit', at: OPEN, place: '#/audit', until: 'table.list' },
  { name: 'audit-none', at: CLOSED, place: '#/audit', until: '.empty' },
  { name: 'signin', at: CLOSED, place: '', stranger: true },
  { name: 'docs', at: OPEN, place: 'v1/docs', until: '.operation' },
  { name: 'docs-operation', at: OPEN, place: 'v1/docs#startSession', until: '.operation[open]' },
  { name: 'away', at: OPEN, place: '#/conversations', until: 'a.conversation-row', prepare: theLineIsCut },
  { name: 'no-such-page', at: OPEN, place: '#/nowhere' },
];

async function nobodyIsFound(page) {
  await page.getByRole('searchbox').fill('999999999');
  await page.getByText('Nobody found').waitFor();
}

async function theSideIsShown(page) {
  const button = page.getByRole('button', { name: 'Session and context' });
  if (await button.isVisible()) await button.click();
  await page.locator('.facts-side .tree').first().waitFor();
}

async function theLineIsCut(page) {
  await page.route('**/v1/operator/stream', (route) => route.abort());
  await page.reload();
  await page.locator('.line-away').waitFor();
}

/** Figures of an hour in which much goes on and one provider fails: what a test cannot have in a minute. */
async function aBusyHour(page) {
  await page.route('**/v1/operator/overview', async (route) => {
    const told = await (await route.fetch()).json();
    const now = told.at_ms;
    const at_ms = Array.from({ length: 360 }, (_, i) => now - (359 - i) * 10_000);
    const wave = (least, most, slow) => at_ms.map((_, i) => Math.round(least + (most - least) * (1 + Math.sin(i / slow)) / 2 + (i * 7919) % 13));
    Object.assign(told.series, { at_ms, received: wave(300, 900, 40), answered: wave(295, 890, 40), sent: wave(310, 930, 40), turns_failed: wave(0, 0, 9).map((n) => (n > 11 ? 3 : 0)), send_failed: wave(0, 0, 9).map(() => 0) });
    Object.assign(told.series, { turn_p50_ms: wave(380, 460, 30), turn_p95_ms: wave(900, 1300, 30), turn_p99_ms: wave(1500, 2600, 25) });
    Object.assign(told.totals, { received: 1_234_567, answered: 1_234_001, sent: 1_300_244, turns_failed: 566, send_failed: 89, delivered: 1_299_870, undelivered: 374, sessions_started: 210_333, sessions_ended: 208_120, opted_out: 1_204, opted_in: 87 });
    told.conversations = { in_memory: 9_874, waiting_for_room: 12 };
    told.queues = { unsettled: { count: 1_000, or_more: true }, dead_letters: { count: 3, or_more: false }, limit: 'the disk has less than min_free_bytes left' };
    Object.assign(told.tenants[0].health.provider, { ok: 1_299_000, failed: 89, failed_in_a_row: 5, last_ok_at_ms: now - 95_000, last_failed_at_ms: now - 2_000, last_failure: 'the provider answered 503: the queue of +15550100 is full' });
    Object.assign(told.tenants[0].health.assistant, { ok: 1_234_001, failed: 566, failed_in_a_row: 0, last_ok_at_ms: now - 900, last_failed_at_ms: now - 340_000, last_failure: 'no answer within 20 s' });
    await route.fulfill({ json: told });
  });
}

async function look(page, view, { axe, picture }) {
  await page.locator('h1:visible, h2:visible').first().waitFor();
  await page.waitForLoadState('load');
  if (view.until) await page.locator(view.until).first().waitFor();
  await view.prepare?.(page);
  await page.addStyleTag({ content: '*, *::before, *::after { animation: none !important; transition: none !important }' });
  await page.screenshot({ path: picture });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const shown = serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} (${node.failureSummary})`).join('; ')}`);
  assert.deepEqual(shown, [], picture);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${picture} is ${wide} pixels too wide`);
}

/** `fresh` makes a page; `gateways` are those above, with the token of the one that wants it. */
export async function everyPageIsForEverybody(fresh, gateways, { axe, pictures }) {
  let judged = 0;
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [['desktop', { width: 1280, height: 800 }], ['phone', { width: 390, height: 844 }]]) {
      for (const view of VIEWS) {
        const page = await fresh({ viewport, colorScheme, bypassCSP: true });
        if (view.at === CLOSED && !view.stranger) await page.addInitScript((token) => sessionStorage.setItem('raconteur.token', token), gateways.token);
        await view.before?.(page);
        await page.goto(`${gateways[view.at]}/${view.place}`);
        await look(page, view, { axe, picture: path.join(pictures, `${view.name}-${colorScheme}-${size}.png`) });
        await page.context().close();
        judged += 1;
      }
    }
  }
  console.log(`judged: ${judged} pages`);
}
