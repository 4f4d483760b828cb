// A purge that was a mistake.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { openBrowser, Person } from '../browser.mjs';
import { require } from '../packages.mjs';

const amqp = require('amqplib');
const MESSAGES = 250;

let broker, browser, person;

before(async () => {
  broker = await Broker.start();
  const connection = await amqp.connect(broker.amqp);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('precious', { durable: true });
  for (let n = 0; n < MESSAGES; n += 1) channel.sendToQueue('precious', Buffer.from(`m${n}`), { messageId: String(n), persistent: true });
  await channel.waitForConfirms();
  await connection.close();
  browser = await openBrowser();
  person = await Person.loggedIn(browser, broker.http);
});

after(async () => {
  await browser?.close();
  await broker?.stop();
});

const firstIds = async () =>
  (await broker.api.peek('precious', 'limit=3')).map(({ properties }) => properties.message_id);

test('a purge says how many, asks for the name, and is undone', async () => {
  const tab = await person.open('#/queues/%2F/precious');
  await tab.getByRole('button', { name: /purge/i }).first().click();
  const dialog = tab.getByRole('dialog');
  await dialog.getByText(/250/).first().waitFor();
  const confirm = dialog.getByRole('button', { name: /purge/i });
  assert.equal(await confirm.isEnabled(), false, 'nothing happens before the name is there');
  await dialog.getByRole('textbox').fill('precious');
  await confirm.click();
  await until('the queue is empty', async () => (await broker.api.get('/queues/%2F/precious')).messages_ready === 0);
  await tab.getByRole('button', { name: /undo/i }).first().click();
  await until('all are back', async () => (await broker.api.get('/queues/%2F/precious')).messages_ready === MESSAGES);
  assert.deepEqual(await firstIds(), ['0', '1', '2'], 'in their places');
  person.assertNoFaults();
});

test('a dialog that is left with Escape does nothing', async () => {
  const tab = await person.open('#/queues/%2F/precious');
  const button = tab.getByRole('button', { name: /purge/i }).first();
  await button.click();
  await tab.getByRole('dialog').waitFor();
  await tab.keyboard.press('Escape');
  await tab.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await button.evaluate((element) => element === document.activeElement), true, 'the focus is where it was');
  assert.equal(await broker.api.depth('precious'), MESSAGES);
});
