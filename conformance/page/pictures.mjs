// The pictures of docs/: `pictures.mjs FOLDER`, with CONEY_BINARY and PAGE_WORK as `run` sets them. They show a shop with the usual troubles.

import { join } from 'node:path';

import { Broker, until } from './broker.mjs';
import { openBrowser, Person } from './browser.mjs';
import { startLoad } from './load.mjs';
import { require } from './packages.mjs';

const amqp = require('amqplib');

const ERROR = 'customer 4711 has no address';

/** Orders that a consumer cannot deal with, which end as dead letters. */
async function fail(broker) {
  const connection = await amqp.connect(broker.amqp, { clientProperties: { connection_name: 'shipping' } });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('shipping', { durable: true });
  await channel.assertQueue('shipping.dead', { durable: true });
  await channel.bindQueue('shipping', 'orders', '*.shipped');
  await broker.api.put('/policies/%2F/shipping', {
    pattern: '^shipping$', 'apply-to': 'queues', priority: 5,
    definition: { 'dead-letter-exchange': '', 'dead-letter-routing-key': 'shipping.dead', 'delivery-limit': 2 },
  });
  await channel.consume('shipping', ({ fields: { deliveryTag } }) => {
    channel.publish('amq.settle', '', Buffer.alloc(0), { headers: { 'delivery-tag': deliveryTag, verb: 'nack', error: ERROR } });
  }, { consumerTag: 'shipping-1' });
  const order = { order: 318, customer: { id: 4711, name: 'Ada' } };
  const options = { messageId: 'order-318', persistent: true, contentType: 'application/json', headers: { tenant: 't1' } };
  channel.publish('orders', 'eu.shipped', Buffer.from(JSON.stringify(order)), options);
  await until('the order is dead', async () => (await broker.api.depth('shipping.dead')) === 1);
  return connection;
}

/** Where each picture is taken, and what has to be on it. */
async function places(broker) {
  const [dead] = await broker.api.peek('shipping.dead', 'limit=1');
  const groups = await broker.api.get('/coney/failures');
  const { queue, what, reason, error } = groups.find((group) => group.queue === 'shipping' && group.what === 'dead-lettered');
  const key = JSON.stringify(['/', queue, null, what, reason, error.replaceAll(/\d+/g, '…')]);
  return {
    overview: ['#/', 'a.problem'],
    failures: [`#/failures?filter=shipping&open=${encodeURIComponent(key)}`, 'aside .positions a'],
    message: [`#/queues/%2F/shipping.dead/messages/${dead.id}`, '.step-now'],
    queue: ['#/queues/%2F/slow?tab=unacked', '.table-box td'],
    stream: ['#/queues/%2F/events', '.table-box td'],
    topology: ['#/topology?filter=orders', '.node'],
  };
}

const [folder] = process.argv.slice(2);
const broker = await Broker.start();
const load = await startLoad(broker.amqp, broker.http);
const connection = await fail(broker);
const browser = await openBrowser();
try {
  // A minute of charts.
  await until('it has been at work for a while', async () => (await broker.api.depth('orders.dead')) > 200, 180_000);
  const person = await Person.loggedIn(browser, broker.http);
  for (const [name, [place, element]] of Object.entries(await places(broker))) {
    await person.visit(place, async (tab) => {
      await tab.locator(element).first().waitFor();
      await tab.screenshot({ path: join(folder, `${name}.png`) });
    });
  }
} finally {
  await browser.close();
  await connection.close();
  await load.stop();
  await broker.stop();
}
