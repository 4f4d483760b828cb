// testcontainers for Node, with nothing but the image's name changed.
import assert from 'node:assert/strict';
import { RabbitMQContainer } from '@testcontainers/rabbitmq';
import amqp from 'amqplib';

const container = await new RabbitMQContainer('coney').start();
const connection = await amqp.connect(container.getAmqpUrl());
const channel = await connection.createConfirmChannel();
await channel.assertQueue('q');
channel.sendToQueue('q', Buffer.from('hello'));
await channel.waitForConfirms();
const message = await channel.get('q', { noAck: true });
assert.equal(message.content.toString(), 'hello');
await connection.close();
await container.stop();
console.log('testcontainers for Node: passed');
