// The main things without a mouse: only keys are pressed here.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { openBrowser, Person, settled } from '../browser.mjs';

const TABS_MAX = 80;

let broker, browser;

before(async () => {
  broker = await Broker.start();
  for (const queue of ['first', 'second']) await broker.api.put(`/queues/%2F/${queue}`, { durable: true });
  for (let n = 0; n < 3; n += 1) {
    await broker.api.post('/exchanges/%2F/amq.default/publish', {
      routing_key: 'second', payload: `message ${n}`, payload_encoding: 'string', properties: { message_id: `id-${n}` },
    });
  }
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await broker?.stop();
});

/** What has the focus: its role or tag, and its name. */
const focused = (tab) =>
  tab.evaluate(() => {
    const element = document.activeElement;
    const name = element.getAttribute('aria-label') ?? (element.innerText || element.labels?.[0]?.innerText || element.title || '');
    return `${element.getAttribute('role') ?? element.tagName.toLowerCase()} ${name.trim()}`;
  });

/** Presses Tab until what has the focus is this. Each stop has to be visible. */
async function tabTo(tab, pattern, key = 'Tab') {
  const seen = [];
  for (let n = 0; n < TABS_MAX; n += 1) {
    await tab.keyboard.press(key);
    seen.push((await focused(tab)).slice(0, 80));
    if (pattern.test(seen.at(-1))) return;
  }
  throw new Error(`${pattern} is not reached with ${key}; passed ${[...new Set(seen)].join(' | ').slice(0, 1500)}`);
}

/** Whether what has the focus can be seen to have it. */
const hasRing = (tab) =>
  tab.evaluate(() => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
    return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
  });

test('from the login to a message, with keys alone', async () => {
  const person = await Person.arrive(browser, broker.http);
  const tab = await person.open('#/');
  if (!/input/.test(await focused(tab))) await tabTo(tab, /^input .*(user|name)/i);
  await tab.keyboard.type('guest');
  await tabTo(tab, /^input .*password/i);
  await tab.keyboard.type('guest');
  await tab.keyboard.press('Enter');
  await tab.getByRole('navigation').first().waitFor();
  await settled(tab);

  await tabTo(tab, /^a .*to the content/i);
  assert.ok(await hasRing(tab), 'the focus is visible');
  await tabTo(tab, /^a .*queues/i);
  assert.ok(await hasRing(tab), 'the focus is visible');
  await tab.keyboard.press('Enter');
  await tab.getByRole('heading', { level: 1, name: /queues/i }).waitFor();
  await tab.getByRole('link', { name: 'second' }).waitFor();
  await tabTo(tab, /second/);
  await tab.keyboard.press('Enter');
  await tab.getByRole('heading', { level: 1, name: /second/ }).waitFor();
  await tabTo(tab, /^tab /);
  await tab.keyboard.press('ArrowRight');
  await until('another tab is chosen', async () => /\?tab=/.test(tab.url()));
  await tab.keyboard.press('Home');
  await until('the first tab is chosen', async () => !/\?tab=/.test(tab.url()));
  person.assertNoFaults([/401/]);
  await person.leave();
});

test('a message is opened, and a queue purged, with keys alone', async () => {
  const person = await Person.loggedIn(browser, broker.http);
  const tab = await person.open('#/queues/%2F/second?tab=messages');
  await tab.getByText('id-1').first().waitFor();
  await tabTo(tab, /^tr .*id-0/);
  await tab.keyboard.press('Enter');
  await tab.waitForURL(/messages\/\d+/);
  await tab.goBack();
  await settled(tab);
  await tabTo(tab, /^button purge/i);
  await tab.keyboard.press('Enter');
  const dialog = tab.getByRole('dialog');
  await dialog.waitFor();
  assert.ok(await dialog.evaluate((element) => element.contains(document.activeElement)), 'the focus is in the dialog');
  for (let n = 0; n < 10; n += 1) {
    await tab.keyboard.press('Tab');
    assert.ok(await dialog.evaluate((element) => element.contains(document.activeElement) || document.activeElement === document.body), 'and stays there');
  }
  await tabTo(tab, /^button purge/i);
  await tab.keyboard.press('Enter');
  await until('it is empty', async () => (await broker.api.get('/queues/%2F/second')).messages_ready === 0);
  await tabTo(tab, /^button undo/i);
  await tab.keyboard.press('Enter');
  await until('it is undone', async () => (await broker.api.get('/queues/%2F/second')).messages_ready === 3);
  person.assertNoFaults();
  await person.leave();
});

test('the skip link leads to the content', async () => {
  const person = await Person.loggedIn(browser, broker.http);
  const tab = await person.open('#/queues');
  await tabTo(tab, /^a .*to the content/i);
  await tab.keyboard.press('Enter');
  assert.ok(await tab.evaluate(() => document.querySelector('main').contains(document.activeElement)), 'the focus is in the content');
  await tab.getByRole('heading', { level: 1, name: /queues/i }).waitFor();
  await person.leave();
});
