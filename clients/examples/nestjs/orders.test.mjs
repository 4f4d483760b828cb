// What the application promises, with nothing left open: `idle` says who holds what.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import amqp from 'amqplib';

import { start } from './built/orders.js';
import { withWorld } from './coney-testing.mjs';

/** Runs the application in a world of its own. `shipped` is what it has shipped, `create` publishes an order as a NestJS client does. */
async function withOrders(use) {
  await withWorld(async (world) => {
    const connection = await amqp.connect(world.uri);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('orders.dead');
    const shipped = [];
    const application = await start(world.uri, { ship: async ({ id }) => shipped.push(id) });
    const create = async (data) => {
      channel.sendToQueue('orders', Buffer.from(JSON.stringify({ pattern: 'order.created', data })), { persistent: true });
      await channel.waitForConfirms();
    };
    try {
      await use({ world, shipped, create });
    } finally {
      await application.close();
      await connection.close();
    }
  });
}

test('orders are shipped', () => withOrders(async ({ world, shipped, create }) => {
  for (const id of [1, 2, 3]) await create({ id, address: 'Main St 1' });
  await world.idle();
  assert.deepEqual(shipped, [1, 2, 3]);
  assert.equal((await world.counts('orders')).acked, 3);
}));

test('an order without an address is put aside, and others pass', () => withOrders(async ({ world, shipped, create }) => {
  await create({ id: 1 });
  await create({ id: 2, address: 'Main St 1' });
  await world.idle({ queue: 'orders' });
  assert.deepEqual(shipped, [2]);
  const [dead] = await world.messages('orders.dead');
  assert.deepEqual(JSON.parse(dead.text).data, { id: 1 });
}));
