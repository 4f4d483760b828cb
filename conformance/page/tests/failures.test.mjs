// A message that a consumer cannot deal with: found, understood, its cause fixed, replayed, consumed. As a person would.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { openBrowser, Person, picture, shows } from '../browser.mjs';
import { require } from '../packages.mjs';

const amqp = require('amqplib');

const POLICY = 'orders-die-after-two';
const ERROR = 'customer 4711 has no address';

let broker, browser, person, connection, channel;
/** What the consumer's program does; a new release changes it. */
let program = 'faulty';
const shipped = [];

/** A consumer whose first release cannot deal with orders that have no address. */
async function consume() {
  await channel.prefetch(5);
  await channel.consume('orders', (message) => {
    const order = JSON.parse(message.content.toString());
    if (program === 'faulty' && !order.address) {
      const headers = { 'delivery-tag': message.fields.deliveryTag, verb: 'nack', error: ERROR };
      channel.publish('amq.settle', '', Buffer.alloc(0), { headers });
      return;
    }
    shipped.push(order.id);
    channel.ack(message);
  }, { consumerTag: 'shipping-1' });
}

before(async () => {
  broker = await Broker.start();
  connection = await amqp.connect(broker.amqp, { clientProperties: { connection_name: 'shipping' } });
  channel = await connection.createConfirmChannel();
  await channel.assertExchange('shop', 'topic', { durable: true });
  await channel.assertExchange('shop.dead', 'fanout', { durable: true });
  await channel.assertQueue('orders', { durable: true });
  await channel.assertQueue('orders.dead', { durable: true });
  await channel.bindQueue('orders', 'shop', 'order.#');
  await channel.bindQueue('orders.dead', 'shop.dead', '');
  await broker.api.put(`/policies/%2F/${POLICY}`, {
    pattern: '^orders$', 'apply-to': 'queues', definition: { 'dead-letter-exchange': 'shop.dead', 'delivery-limit': 2 },
  });
  await consume();
  for (let id = 0; id < 20; id += 1) {
    const order = { id, address: id === 13 ? undefined : 'Somewhere 1' };
    const options = { messageId: `order-${id}`, persistent: true, contentType: 'application/json' };
    channel.publish('shop', 'order.new', Buffer.from(JSON.stringify(order)), options);
  }
  await until('the order has failed for good', async () => (await broker.api.depth('orders.dead')) === 1);
  await until('the others are shipped', async () => shipped.length === 19);
  browser = await openBrowser();
  person = await Person.loggedIn(browser, broker.http);
});

after(async () => {
  await browser?.close();
  await connection?.close();
  await broker?.stop();
});

test('a failed message is found from the failures page, understood, replayed and consumed', async () => {
  const tab = await person.open('#/');
  await tab.getByRole('navigation').getByRole('link', { name: 'Failures' }).first().click();
  await tab.getByRole('heading', { level: 1, name: 'Failures' }).waitFor();
  const group = tab.getByRole('row').filter({ hasText: 'dead-lettered' }).filter({ hasText: ERROR });
  await group.getByRole('link').first().click();
  const panel = tab.getByRole('complementary', { name: 'One group' });
  await panel.getByText(ERROR).first().waitFor();
  await panel.getByRole('link', { name: 'orders.dead' }).first().waitFor();
  await picture(tab, 'story-1-group', 'light');

  await panel.getByRole('link', { name: /^#\d+$/ }).first().click();
  await tab.waitForURL(/queues\/%2F\/orders\/messages\/\d+/);
  await shows(tab, /delivered 3 times without success/);
  await shows(tab, POLICY);
  await shows(tab, 'shipping-1');
  await picture(tab, 'story-2-history', 'light');
  await tab.getByRole('link', { name: 'orders.dead' }).first().click();
  await tab.waitForURL(/queues\/%2F\/orders\.dead/);
  await shows(tab, '"id": 13');
  await picture(tab, 'story-3-dead-letter', 'light');

  program = 'fixed';
  await tab.goBack();
  await tab.goBack();
  await panel.getByRole('button', { name: /replay/i }).click();
  const dialog = tab.getByRole('dialog');
  await dialog.getByText(/^1 message in 'orders\.dead' will be sent back/).waitFor();
  await picture(tab, 'story-4-replay', 'light');
  assert.equal(await broker.api.depth('orders.dead'), 1, 'to count changes nothing');
  await dialog.getByRole('button', { name: 'Replay 1 message' }).click();
  await until('the order is shipped', async () => shipped.includes(13));
  await until('nothing is dead any more', async () => (await broker.api.depth('orders.dead')) === 0);
  assert.equal(shipped.length, 20, 'each order once');
  person.assertNoFaults();
});
