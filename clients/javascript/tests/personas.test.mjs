// Personas and the linter.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import amqp from 'amqplib';

import { withWorld } from '../coney-testing.mjs';

test('the linter says what another broker refuses', () => withWorld(async (world) => {
  const connection = await amqp.connect(world.uri);
  await (await connection.createChannel()).assertQueue('tmp', { durable: false });
  const [finding, ...more] = await world.lint('rabbitmq-4.3');
  assert.deepEqual([finding.rule, more], ['transient-queue', []]);
  assert.match(finding.fix, /durable/);
  assert.deepEqual(await world.lint('rabbitmq-3.13'), []);
  await connection.close();
}));

test('a world stands in for another broker', () => withWorld(async (world) => {
  const connection = await amqp.connect(world.uri);
  const closed = new Promise((resolve) => connection.once('error', resolve));
  const channel = await connection.createChannel();
  await assert.rejects(channel.assertQueue('tmp', { durable: false }));
  assert.match((await closed).message, /541/);
}, { persona: 'rabbitmq-4.3' }));
