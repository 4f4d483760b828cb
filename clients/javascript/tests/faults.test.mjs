// Faults. What each of them does is tested with the broker; here it is that they are asked for as they should be.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import amqp from 'amqplib';

import { coneyTest } from '../coney-testing.mjs';

const it = coneyTest(test);

async function channelOf(world) {
  const connection = await amqp.connect(world.uri);
  // Faults cut it off: what fails is told by each call.
  connection.on('error', () => {});
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => {});
  return { connection, channel };
}

const texts = async (world, queue) => (await world.messages(queue)).map(({ text }) => text);

it('loses a confirm, and the message is there', async (world) => {
  const { channel } = await channelOf(world);
  await channel.assertQueue('orders');
  const fault = await world.on('confirm').queue('orders').skip(1).reset();
  channel.sendToQueue('orders', Buffer.from('1'));
  await channel.waitForConfirms();
  assert.equal(await fault.fired(), 0);
  channel.sendToQueue('orders', Buffer.from('2'));
  await assert.rejects(channel.waitForConfirms());
  await fault.waitFired();
  assert.deepEqual([await fault.fired(), await fault.seen()], [1, 2]);
  assert.deepEqual(await texts(world, 'orders'), ['1', '2']);
});

it('ends a rule with its handle', async (world) => {
  const { connection, channel } = await channelOf(world);
  await channel.assertQueue('q');
  const fault = await world.on('publish').queue('q').times(0).drop();
  channel.sendToQueue('q', Buffer.from('lost'));
  await channel.waitForConfirms();
  assert.deepEqual((await world.faults()).map(({ id }) => id), [fault.id]);
  await fault[Symbol.asyncDispose]();
  channel.sendToQueue('q', Buffer.from('kept'));
  await channel.waitForConfirms();
  assert.deepEqual(await texts(world, 'q'), ['kept']);
  await fault.remove();
  assert.deepEqual(await world.faults(), []);
  await connection.close();
});

const rules = [
  (world) => world.on('connect').connection('c').refuse(403, 'no'),
  (world) => world.on('connect').match('user', 'u').silence(),
  (world) => world.on('queue.declare').queue('q').refuse(406),
  (world) => world.on('publish').exchange('x').routingKey('a.*').duplicate(),
  (world) => world.on('publish').messageId('m').nack(),
  (world) => world.on('publish').header('try', '1').return(),
  (world) => world.on('confirm').delay({ ms: 500 }),
  (world) => world.on('confirm').oneIn(10, 7).times(0).close(),
  (world) => world.on('deliver').consumerTag('c').corrupt(),
  (world) => world.on('deliver').reorder(3),
  (world) => world.on('ack').redeliver(),
  (world) => world.on('time', { everyMs: 1000 }).restart(),
  (world) => world.on('time', { everyMs: 1000 }).closeAll(),
  (world) => world.always().block('full'),
  (world) => world.always().queue('q').pause(),
  (world) => world.always().slow(1000),
];

it('makes rules that the broker takes', async (world) => {
  for (const make of rules) {
    const fault = await make(world);
    assert.deepEqual((await world.faults()).map(({ id, text }) => [id, text]), [[fault.id, fault.text]]);
    await world.clearFaults();
  }
  assert.deepEqual(await world.faults(), []);
});

it('refuses what makes no sense', async (world) => {
  await assert.rejects(world.on('confirm').redeliver(), /does not fit/);
});

it('says what a rule saw that does not fire', async (world) => {
  const fault = await world.on('ack').queue('q').drop();
  await assert.rejects(fault.waitFired({ withinMs: 10 }), /fired 0 times; it saw 0 events/);
});

it('restarts a world, which keeps what is durable', async (world) => {
  const { channel } = await channelOf(world);
  await channel.assertQueue('q');
  channel.sendToQueue('q', Buffer.from('kept'), { persistent: true });
  channel.sendToQueue('q', Buffer.from('gone'));
  await channel.waitForConfirms();
  await world.restart();
  assert.deepEqual(await texts(world, 'q'), ['kept']);
});
