// One message of 10,000 is found by a header, and its URL finds it again.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker } from '../broker.mjs';
import { filterBy, openBrowser, Person, settled } from '../browser.mjs';
import { require } from '../packages.mjs';

const amqp = require('amqplib');
const MESSAGES = 10_000;

let broker, browser, person;

before(async () => {
  broker = await Broker.start();
  const connection = await amqp.connect(broker.amqp);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('haystack', { durable: true });
  for (let n = 0; n < MESSAGES; n += 1) {
    const headers = { tenant: n === 9321 ? 'needle' : `t${n % 10}`, n };
    channel.sendToQueue('haystack', Buffer.from(JSON.stringify({ customer: { id: n } })), { messageId: `id-${n}`, headers, persistent: true });
  }
  await channel.waitForConfirms();
  await connection.close();
  browser = await openBrowser();
  person = await Person.loggedIn(browser, broker.http);
});

after(async () => {
  await browser?.close();
  await broker?.stop();
});

for (const [what, filter] of [['a header', 'header.tenant=needle'], ['a part of the body', 'body~9321}'], ['a JSON path', 'json.customer.id=9321']]) {
  test(`one of ten thousand messages is found by ${what}, and by the URL of the search`, async () => {
    const tab = await person.open('#/queues/%2F/haystack?tab=messages');
    await tab.getByText('id-0', { exact: true }).first().waitFor();
    await filterBy(tab, filter);
    await tab.getByText('id-9321').first().waitFor();
    await tab.getByText('id-0', { exact: true }).waitFor({ state: 'detached' });
    const again = await person.open(new URL(tab.url()).hash);
    await again.getByText('id-9321').first().waitFor();
    assert.equal(await again.getByText('id-0', { exact: true }).count(), 0);
    person.assertNoFaults();
    await Promise.all([tab.close(), again.close()]);
  });
}

test('the message that was found is opened, and its URL opens it again', async () => {
  const tab = await person.open('#/queues/%2F/haystack?tab=messages');
  await filterBy(tab, 'header.tenant=needle');
  await tab.getByRole('row').filter({ hasText: 'id-9321' }).getByRole('link').first().click();
  await tab.waitForURL(/\/haystack\/messages\/\d+/);
  const again = await person.open(new URL(tab.url()).hash);
  await settled(again);
  await again.getByText('needle').first().waitFor();
  assert.equal(await broker.api.depth('haystack'), MESSAGES, 'looking takes nothing');
  const [first] = await broker.api.peek('haystack', 'limit=1&offset=9321');
  assert.equal(first.redelivered ?? false, false, 'nor does it mark anything');
  person.assertNoFaults();
});
