// A stream is shown as what it is: a log that is read by offset, from memory or from disk, and from which nothing is taken.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { filterBy, openBrowser, Person, shows } from '../browser.mjs';
import { require } from '../packages.mjs';

const amqp = require('amqplib');

const MESSAGES = 250;
const STREAM = '#/queues/%2F/events';

let broker, browser, person;

before(async () => {
  broker = await Broker.start();
  const connection = await amqp.connect(broker.amqp);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('events', { durable: true, arguments: { 'x-queue-type': 'stream', 'x-max-age': '7D' } });
  for (let n = 0; n < MESSAGES; n += 1) channel.sendToQueue('events', Buffer.from(`event number ${n}`), { messageId: `e${n}` });
  await channel.waitForConfirms();
  // Somebody who has acked the first ten.
  const reader = await connection.createChannel();
  await reader.prefetch(10);
  await new Promise((resolve) => {
    reader.consume('events', (message) => {
      if (message.properties.messageId !== 'e9') return;
      reader.ack(message, true);
      resolve();
    }, { arguments: { 'x-stream-cursor': 'billing', 'x-stream-offset': 'first' } });
  });
  await reader.close();
  await connection.close();
  // What it has is on disk, and not in memory any more.
  await broker.kill();
  await broker.restart();
  browser = await openBrowser();
  person = await Person.loggedIn(browser, broker.http);
});

after(async () => {
  await browser?.close();
  await broker?.stop();
});

const offsets = (tab) => tab.getByRole('table', { name: 'Messages' }).getByTitle('Open this message').allInnerTexts();

/** What a menu offers. */
async function offered(tab, name) {
  await tab.getByRole('button', { name, exact: true }).click();
  await tab.getByRole('menuitem').first().waitFor();
  return tab.getByRole('menuitem').allInnerTexts();
}

test('nobody has to consume a stream, and nothing is offered that it cannot do', async () => {
  const tab = await person.open(STREAM);
  await shows(tab, 'Next offset');
  const tabs = await tab.getByRole('tab').allInnerTexts();
  assert.deepEqual(tabs.map((text) => text.split('\n')[0].replace(/\d+$/, '').trim()), ['Messages', 'Failures', 'Readers', 'Cursors', 'Bindings', 'Settings', 'Publish']);
  assert.equal(await tab.getByRole('button', { name: /purge/i }).count(), 0);
  assert.deepEqual(await offered(tab, 'More'), ['Load messages from a file', 'Delete the stream']);
  const { problems } = await broker.api.get('/coney/problems');
  assert.deepEqual(problems.filter(({ target }) => target.name === 'events'), [], 'that nobody reads it is no problem');
  person.assertNoFaults();
});

test('the newest messages are shown first, and any other by its offset, with their bodies', async () => {
  const tab = await person.open(STREAM);
  await shows(tab, `event number ${MESSAGES - 1}`);
  assert.equal((await offsets(tab))[0], String(MESSAGES - 1));
  await tab.getByLabel('From offset').fill('7');
  await tab.getByRole('button', { name: 'Show', exact: true }).click();
  await until('it begins there', async () => (await offsets(tab))[0] === '7');
  await shows(tab, 'event number 7');
  assert.match(tab.url(), /from=7/, 'it is in the address');
  person.assertNoFaults();
});

test('a message is found by its id, and opened', async () => {
  const tab = await person.open(STREAM);
  await filterBy(tab, 'id=e33');
  await until('it is the only one', async () => (await offsets(tab)).join() === '33');
  await tab.getByTitle('Open this message').click();
  await tab.getByRole('heading', { level: 1, name: 'Message 33' }).waitFor();
  await shows(tab, 'event number 33');
  assert.deepEqual(await offered(tab, 'Actions'), ['Publish again'], 'it can be neither moved nor deleted');
  person.assertNoFaults();
});

const cursor = async () => (await broker.api.get('/coney/queues/%2F/events/cursors')).find(({ name }) => name === 'billing');

test('a cursor is seen, moved to a place, sent back to the beginning, and deleted', async () => {
  const tab = await person.open(`${STREAM}?tab=cursors`);
  const row = tab.getByRole('table', { name: 'Cursors' }).getByRole('row', { name: /billing/ });
  await until('it has a row', async () => /240/.test(await row.innerText()));
  const act = async (label) => {
    await tab.getByRole('button', { name: 'Actions on billing' }).click();
    await tab.getByRole('menuitem', { name: label }).click();
  };
  await act(/Move to a place/);
  await tab.getByLabel('Offset', { exact: true }).fill('-5');
  await tab.getByRole('button', { name: 'Move', exact: true }).click();
  await until('it is there', async () => (await cursor()).offset === MESSAGES - 5);
  await act(/Begin again/);
  await shows(tab, `${MESSAGES} messages will be delivered`);
  await tab.getByRole('button', { name: 'Begin again', exact: true }).click();
  await until('it is back', async () => (await cursor()).offset === 0);
  await act(/Skip to the end/);
  await tab.getByLabel(/Type/).fill('billing');
  await tab.getByRole('button', { name: /^Skip/ }).click();
  await until('it has no lag', async () => (await cursor()).lag === 0);
  await act(/Delete/);
  await tab.getByRole('button', { name: 'Delete', exact: true }).click();
  await until('it is gone', async () => (await cursor()) === undefined);
  person.assertNoFaults();
});

test('the time line leads to the messages of that time', async () => {
  const connection = await amqp.connect(broker.amqp);
  const channel = await connection.createConfirmChannel();
  channel.sendToQueue('events', Buffer.from('much later'));
  await channel.waitForConfirms();
  await connection.close();
  const tab = await person.open(STREAM);
  const line = tab.getByLabel('From time');
  await line.press('Home');
  await until('it begins with the oldest', async () => (await offsets(tab))[0] === '0');
  await line.press('End');
  await until('it shows the newest', async () => (await offsets(tab)).includes(String(MESSAGES)));
  person.assertNoFaults();
});
