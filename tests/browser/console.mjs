// Works the console in a real browser, as people do. `tests/browser.rs` starts the gateways and reads what is printed: one line for each
// thing that was done, and at the end what the browser complained of and whom it asked.
//
// node console.mjs KIT OPEN CLOSED TOKEN PICTURES: where the kit is; a gateway that is open to this machine, and one that wants TOKEN.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { everyPageIsForEverybody } from './pages.mjs';

const [kit, open, closed, token, pictures] = process.argv.slice(2);
const modules = path.join(path.resolve(kit), 'node_modules');
const { chromium } = await import(pathToFileURL(path.join(modules, 'playwright-core/index.mjs')));
const axe = fs.readFileSync(createRequire(path.join(modules, 'x.js')).resolve('axe-core/axe.min.js'), 'utf8');

const PATIENCE = 45_000;
const complaints = [];
const strangers = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? 'chromium', args: ['--no-sandbox'] }).catch(() =>
  chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] }));

async function fresh(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  watch(page);
  return page;
}

function watch(page) {
  page.on('console', (message) => {
    // A browser complains by itself of each answer that is an error, and of a line that is cut; those are wanted here.
    if (message.type() === 'error' && !/status of (401|404|409)|ERR_FAILED/.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (/^https?:|^wss?:/.test(url.protocol) && url.hostname !== '127.0.0.1') strangers.push(request.url());
  });
}

const done = (what) => console.log(`did: ${what}`);
const go = (page, base, place = '') => page.goto(`${base}/${place}`);

async function say(page, words) {
  const input = page.getByRole('textbox', { name: 'Text message' }).first();
  await input.fill(words);
  await input.press('Enter');
}

async function theDemoBotAnswers(page) {
  await go(page, open);
  await page.getByRole('heading', { name: 'Phone' }).waitFor();
  await say(page, 'Hello');
  await page.getByText('I am the Raconteur demo bot').waitFor();
  await page.locator('.bubble.mine .ticks.read').waitFor();
  await page.getByRole('button', { name: 'Another phone' }).click();
  assert.equal(await page.locator('.handset').count(), 2);
  await page.getByTitle('Put this phone away').last().click();
  done('text the demo bot and see the answer');
}

async function anOperatorStepsIn(phone) {
  const desk = await phone.context().newPage();
  watch(desk);
  await go(desk, open, '#/conversations/%2B15550100/%2B15550199');
  await desk.getByText('I am the Raconteur demo bot').waitFor();
  await desk.getByRole('button', { name: 'Take over' }).click();
  await desk.getByRole('button', { name: 'Hand back' }).waitFor();
  await say(phone, 'menu');
  await desk.locator('.bubble.theirs', { hasText: 'menu' }).waitFor();
  await desk.getByRole('textbox', { name: 'Text to send' }).fill('This is Ada, a person.');
  await desk.getByRole('button', { name: 'Send', exact: true }).click();
  await phone.getByText('This is Ada, a person.').waitFor();
  assert.equal(await phone.locator('.bubble.theirs').count(), 2, 'the bot was silent');
  await desk.getByRole('button', { name: 'Hand back' }).click();
  await desk.getByRole('button', { name: 'Take over' }).waitFor();
  await say(phone, 'menu');
  await phone.locator('.bubble.theirs', { hasText: 'Book a boat' }).nth(1).waitFor();
  await desk.locator('.behind summary', { hasText: 'Answered in' }).last().click();
  await desk.locator('.behind[open] li.answered').last().waitFor();
  await desk.close();
  done('take over and hand back');
}

async function aConversationIsFoundAndEnded(page) {
  await go(page, open, '#/conversations');
  const search = page.getByRole('searchbox');
  await search.waitFor();
  // The page may be seen before it hears: the key is pressed until it does.
  await page.waitForFunction(() => {
    if (document.activeElement?.type !== 'search') dispatchEvent(new KeyboardEvent('keydown', { key: '/' }));
    return document.activeElement?.type === 'search';
  });
  await page.keyboard.type('77123');
  const began = Date.now();
  const row = page.locator('a.conversation-row', { hasText: '+1 555 007 7123' });
  await row.waitFor();
  console.log(`searched: ${Date.now() - began} ms`);
  await search.fill('+1 555 004 2042');
  await page.locator('a.conversation-row', { hasText: '+1 555 004 2042' }).click();
  done('find a conversation among 100,000');
  await page.getByRole('button', { name: 'End the session' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End session' }).click();
  await page.getByText('No session is open').waitFor();
  await page.getByText('The session was ended by request').waitFor();
  done('end it');
}

async function aDeadLetterIsRetried(page) {
  await go(page, open, '#/letters');
  await page.getByText('are you there?').waitFor();
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.getByText('Nothing was set aside').waitFor();
  await go(page, open, '#/conversations/%2B15550100/%2B15550444');
  await page.getByText('I am the Raconteur demo bot').waitFor();
  await go(page, open, '#/audit');
  for (const deed of ['took over', 'handed back', 'sent a text', 'ended the session', 'retried a dead letter']) {
    await page.getByRole('cell', { name: deed }).first().waitFor();
  }
  done('see a dead letter and retry it');
}

async function nobodyComesInWithoutAToken() {
  const page = await fresh();
  await go(page, closed);
  await page.getByRole('heading', { name: 'Sign in to Raconteur' }).waitFor();
  await page.getByLabel('Token').fill('a guess');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('That token is not known here.').waitFor();
  assert.equal(await page.locator('nav.rail').count(), 0);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('nav.rail').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Sign out Ada' }).click();
  await page.getByRole('heading', { name: 'Sign in to Raconteur' }).waitFor();
  await page.context().close();
  done('sign-in is refused without a token');
}

/** From nothing to charts that answer a click. */
async function theOverviewIsThereSoon() {
  const page = await fresh();
  const began = Date.now();
  await go(page, open, '#/overview');
  await page.locator('.chart canvas').nth(1).waitFor();
  const hour = page.getByRole('button', { name: '1 hour' });
  await hour.click();
  await page.waitForFunction((button) => button.getAttribute('aria-pressed') === 'true', await hour.elementHandle(), { polling: 'raf' });
  console.log(`overview: ${Date.now() - began} ms`);
  await page.context().close();
  done('see the overview with its charts');
}

/** What a browser that has never been here fetches until the first page is there, as it goes over the wire. */
async function theFirstPageIsSmall() {
  const page = await fresh();
  const wire = await page.context().newCDPSession(page);
  let bytes = 0;
  await wire.send('Network.enable');
  wire.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await go(page, open);
  await page.getByRole('textbox', { name: 'Text message' }).waitFor();
  await page.waitForLoadState('load');
  console.log(`first page: ${bytes} bytes`);
  await page.context().close();
}

try {
  fs.mkdirSync(pictures, { recursive: true });
  const page = await fresh();
  await theDemoBotAnswers(page);
  await anOperatorStepsIn(page);
  await aConversationIsFoundAndEnded(page);
  await aDeadLetterIsRetried(page);
  await page.context().close();
  await theFirstPageIsSmall();
  await theOverviewIsThereSoon();
  await nobodyComesInWithoutAToken();
  await everyPageIsForEverybody(fresh, { open, closed, token }, { axe, pictures });
} finally {
  await browser.close();
}
console.log(`complaints: ${JSON.stringify(complaints)}`);
console.log(`strangers: ${JSON.stringify(strangers)}`);
