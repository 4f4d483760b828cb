// The broker is killed in the middle of the moves and replays of 10,000 messages, fifty times or as often as MOVING_KILLS says: each message
// is in exactly one place.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { require } from '../packages.mjs';

const amqp = require('amqplib');

const MESSAGES = 10_000;
const KILLS = Number(process.env.MOVING_KILLS ?? 50);
/** Of these the broker has to have died between the first message's move and the last one's. */
const IN_THE_MIDDLE = Math.ceil(KILLS * 0.3);
/** How the time of a kill is chosen: so many even steps over what an undisturbed move takes. */
const STEPS = 10;

/** One way and back, and through an exchange: source, what is asked for, target. */
const MOVES = [
  { from: 'dead', path: 'replay', body: {}, to: 'work' },
  { from: 'work', path: 'move', body: { to: { queue: 'dead' } }, to: 'dead' },
  { from: 'dead', path: 'move', body: { to: { exchange: 'amq.direct', routing_key: 'w' } }, to: 'work' },
  { from: 'work', path: 'move', body: { to: { queue: 'dead' }, filter: { headers: { kind: 'even' } } }, to: 'dead' },
  { from: 'work', path: 'move', body: { to: { queue: 'dead' } }, to: 'dead' },
];

/** All messages were published to `work` and rejected there. */
async function fill(broker) {
  const connection = await amqp.connect(broker.amqp);
  const channel = await connection.createConfirmChannel();
  const dies = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
  await channel.assertQueue('work', { durable: true, arguments: dies });
  await channel.assertQueue('dead', { durable: true });
  await channel.bindQueue('work', 'amq.direct', 'w');
  for (let n = 0; n < MESSAGES; n += 1) {
    const headers = { kind: n % 2 === 0 ? 'even' : 'odd' };
    channel.sendToQueue('work', Buffer.from(`message ${n}`), { messageId: String(n), persistent: true, headers });
  }
  await channel.waitForConfirms();
  let got = 0;
  await new Promise((resolve) => {
    channel.consume('work', (message) => {
      got += 1;
      if (got === MESSAGES) resolve(channel.nack(message, true, false));
    });
  });
  // A nack has no answer.
  await until('all are dead letters', async () => (await broker.api.depth('dead')) === MESSAGES, 60_000);
  await channel.close();
  await connection.close();
}

/** The ids of the messages in a queue, in its order. */
async function idsIn(broker, queue) {
  const answer = await broker.api.request('GET', `/coney/queues/%2F/${queue}/export`);
  assert.equal(answer.status, 200);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line).properties.message_id);
}

async function assertEachIsOnce(broker, round) {
  const places = [await idsIn(broker, 'work'), await idsIn(broker, 'dead')];
  const seen = new Map();
  for (const id of places.flat()) seen.set(id, (seen.get(id) ?? 0) + 1);
  const twice = [...seen].filter(([, count]) => count > 1);
  assert.deepEqual(twice.slice(0, 5), [], `round ${round}: ${twice.length} messages are in two places`);
  assert.equal(seen.size, MESSAGES, `round ${round}: messages are missing`);
  return places.map((ids) => ids.length);
}

function ask(broker, { from, path, body }) {
  return broker.api.post(`/coney/queues/%2F/${from}/messages/${path}`, body).then(
    () => 'answered',
    () => 'cut off',
  );
}

test(`each message is in exactly one place after ${KILLS} kills in the middle of moves and replays`, async () => {
  const broker = await Broker.start();
  try {
    await fill(broker);
    const begun = performance.now();
    assert.equal(await ask(broker, MOVES[0]), 'answered');
    const usualMs = performance.now() - begun;
    assert.deepEqual(await assertEachIsOnce(broker, 'before'), [MESSAGES, 0]);
    let middle = 0;
    for (let round = 0; round < KILLS; round += 1) {
      const move = MOVES[(round + 1) % MOVES.length];
      const asked = ask(broker, move);
      const killMs = (usualMs * ((round * 7) % STEPS)) / STEPS;
      const first = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, killMs, 'time'))]);
      await broker.kill();
      await asked;
      await broker.restart();
      const [work, dead] = await assertEachIsOnce(broker, round);
      if (first === 'time' && work > 0 && dead > 0) middle += 1;
    }
    assert.ok(middle >= IN_THE_MIDDLE, `${middle} of ${KILLS} kills were in the middle`);
  } finally {
    await broker.stop();
  }
});
