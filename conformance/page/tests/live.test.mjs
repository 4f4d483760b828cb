// Numbers are live, and a tab that nobody looks at asks nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker } from '../broker.mjs';
import { openBrowser, Person, shows } from '../browser.mjs';

/** Longer than any interval at which a page might ask. */
const QUIET_MS = 3000;

let broker, browser, person;

before(async () => {
  broker = await Broker.start();
  await broker.api.put('/queues/%2F/counted', { durable: true });
  browser = await openBrowser();
  person = await Person.loggedIn(browser, broker.http);
});

after(async () => {
  await browser?.close();
  await broker?.stop();
});

const publish = (n) =>
  Promise.all(Array.from({ length: n }, () =>
    broker.api.post('/exchanges/%2F/amq.default/publish', {
      routing_key: 'counted', payload: 'x', payload_encoding: 'string', properties: {},
    })));

/** What a browser does when another tab is chosen; without a window Chromium never does it. */
const look = (tab, hidden) =>
  tab.evaluate((is) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (is ? 'hidden' : 'visible') });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

test('a number changes without being asked for, and stands still while the tab is hidden', async () => {
  const tab = await person.open('#/queues/%2F/counted');
  const streams = new Set();
  const isLive = (request) => request.url().includes('/api/coney/live');
  tab.on('request', (request) => isLive(request) && streams.add(request));
  tab.on('requestfinished', (request) => streams.delete(request));
  tab.on('requestfailed', (request) => streams.delete(request));
  await publish(137);
  await shows(tab, '137');
  await look(tab, true);
  const asked = [];
  await new Promise((resolve) => setTimeout(resolve, 300)); // What was under way when it was hidden.
  tab.on('request', (request) => asked.push(request.url()));
  await publish(100);
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  assert.deepEqual(asked, [], 'a hidden tab asks nothing');
  assert.equal(streams.size, 0, 'a hidden tab has no connection open');
  assert.doesNotMatch(await tab.evaluate(() => document.body.innerText), /\b237\b/);
  await look(tab, false);
  await shows(tab, '237');
  person.assertNoFaults();
});
