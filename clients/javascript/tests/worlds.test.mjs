// Worlds, their clocks, waiting, looking.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

import amqp from 'amqplib';

import { Coney, ConeyError, RequestError, StartError, WaitTimeout, coneyTest, sharedConey, withWorld } from '../coney-testing.mjs';

const it = coneyTest(test);
const MINUTE = 60_000;

/** A confirm channel in that world, for the time of `use`. */
async function withChannel(world, use) {
  const connection = await amqp.connect(world.uri);
  try {
    return await use(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

/** A queue whose messages go to another after some time. */
function delay(channel, name, seconds, to) {
  return channel.assertQueue(name, { messageTtl: seconds * 1000, deadLetterExchange: '', deadLetterRoutingKey: to });
}

async function publish(channel, queue, body, options) {
  channel.sendToQueue(queue, Buffer.from(body), options);
  await channel.waitForConfirms();
}

it('moves a clock from timer to timer', (world) => withChannel(world, async (channel) => {
  await channel.assertQueue('end');
  await delay(channel, 'second', 20, 'end');
  await delay(channel, 'first', 10, 'second');
  await publish(channel, 'first', 'x');
  const begin = await world.clock.now();
  assert.deepEqual(await world.clock.next(), { at: new Date(+begin + 10_000), queue: 'first' });
  const { now, steps } = await world.clock.advance({ minutes: 1 });
  const told = steps.map(({ at, queue, what, messages }) => [at - begin, queue, what, messages]);
  assert.deepEqual(told, [[10_000, 'first', 'expired', 1], [30_000, 'second', 'expired', 1]]);
  assert.deepEqual([+now, +(await world.clock.now())], [+begin + MINUTE, +begin + MINUTE]);
  assert.equal((await world.wait({ queue: 'end', ready: 1, dead: '>=1' })).messages, 1);
}));

test('a clock starts where it is told and moves to a time', () => withWorld(async (world) => {
  assert.equal((await world.clock.now()).toISOString(), '2030-01-01T00:00:00.000Z');
  await world.clock.to(new Date('2030-01-02T00:00:00Z'));
  assert.equal(await world.clock.next(), null);
  await assert.rejects(world.clock.to(new Date('2030-01-01T00:00:00Z')), /past/);
}, { start: new Date('2030-01-01T00:00:00Z') }));

it('moves to what is next, and until nothing is', (world) => withChannel(world, async (channel) => {
  await delay(channel, 'a', 5, 'b');
  await delay(channel, 'b', 5, 'c');
  await channel.assertQueue('c');
  await publish(channel, 'a', 'x');
  const queues = ({ steps }) => steps.map(({ queue }) => queue);
  assert.deepEqual(queues(await world.clock.toNext()), ['a']);
  assert.deepEqual(queues(await world.clock.untilIdle()), ['b']);
}));

it('says what is in the way of a wait', (world) => withChannel(world, async (channel) => {
  await channel.assertQueue('orders');
  await publish(channel, 'orders', 'x');
  await channel.get('orders');
  await assert.rejects(world.idle({ withinMs: 50 }), (error) => {
    assert(error instanceof WaitTimeout);
    assert.match(error.message, /queue 'orders': 1 unacked/);
    assert.equal(error.counts.unacked, 1);
    return true;
  });
  await assert.rejects(world.wait({ queue: 'orders', ready: 3, withinMs: 20 }), /ready=3/);
  await assert.rejects(world.wait({ queue: 'orders', redy: 3 }), /there is no 'redy'/);
}));

it('ends a wait when it is so', (world) => withChannel(world, async (channel) => {
  await channel.assertQueue('a');
  await channel.assertQueue('b');
  let ended = false;
  const waits = world.wait({ queue: 'a', ready: '>=2', withinMs: 30_000 }).then(() => { ended = true; });
  await publish(channel, 'a', '1');
  assert.equal(ended, false);
  await publish(channel, 'a', '2');
  await waits;
  const both = await world.wait({ queue: ['a', 'b'], ready: '<=2', quietMs: 10 });
  assert.deepEqual([both.a.ready, both.b.ready], [2, 0]);
  assert.deepEqual([(await world.counts()).ready, (await world.counts('a')).ready], [2, 2]);
}));

it('looks at messages without touching them', (world) => withChannel(world, async (channel) => {
  await channel.assertQueue('q');
  await publish(channel, 'q', 'text', { persistent: true, messageId: 'm-1', headers: { try: 1 } });
  await publish(channel, 'q', Buffer.from([0xff, 0x00]));
  const [one, two] = await world.messages('q');
  assert.deepEqual([one.text, one.headers, one.properties.message_id, one.state], ['text', { try: 1 }, 'm-1', 'ready']);
  assert.deepEqual([[...two.body], two.routingKey, two.redelivered, two.due], [[0xff, 0x00], 'q', false, null]);
  await channel.get('q');
  const [held] = await world.messages('q', 'unacked');
  assert.deepEqual([held.id, held.holder.channel], [one.id, 1]);
}));

it('shows the journal and the way of a message', (world) => withChannel(world, async (channel) => {
  await delay(channel, 'q', 1, 'dead');
  await channel.assertQueue('dead');
  await publish(channel, 'q', 'body', { messageId: 'm-1' });
  await world.clock.advance({ seconds: 1 });
  const died = await world.journal({ what: 'dead-lettered' });
  assert.deepEqual(died.map(({ queue }) => queue), ['q']);
  assert.deepEqual(await world.journal({ after: died[0].number, what: 'dead-lettered' }), []);
  assert.match(await world.journalTail(), /'dead'/);
  const ways = await world.history({ message_id: 'm-1' });
  assert.deepEqual(ways.map(({ queue }) => queue).sort(), ['dead', 'q']);
}));

it('begins with what another had', (world) => withChannel(world, async (channel) => {
  await channel.assertQueue('q', { messageTtl: MINUTE });
  await publish(channel, 'q', 'x', { persistent: true });
  await world.clock.advance({ seconds: 50 });
  const snapshot = `${world.name} filled`;
  await world.snapshot(snapshot);
  await withWorld(async (copy) => {
    assert.deepEqual(await copy.clock.now(), await world.clock.now());
    assert.deepEqual((await copy.messages('q')).map(({ text }) => text), ['x']);
    assert.deepEqual((await copy.clock.advance({ seconds: 10 })).steps.map(({ what }) => what), ['expired']);
  }, { snapshot });
  assert.equal((await world.counts('q')).ready, 1);
}));

test('worlds do not touch each other, and go', async () => {
  const coney = await sharedConey();
  const [one, other] = [await coney.world(), await coney.world({ name: '~js a/b', clock: 'real', journal: false, ttlS: 5 })];
  const before = await one.clock.now();
  await assert.rejects(other.clock.advance({ ms: 1 }), RequestError);
  assert.deepEqual(await one.clock.now(), before);
  const names = async () => (await coney.worlds()).map(({ name }) => name);
  assert.deepEqual((await names()).filter((name) => [one.name, other.name].includes(name)).length, 2);
  await withChannel(other, (channel) => channel.assertQueue('q'));
  assert.equal((await other.wait({ queue: 'q', ready: 0 })).messages, 0);
  await other[Symbol.asyncDispose]();
  await one.delete();
  await one.delete();
  assert.deepEqual((await names()).filter((name) => [one.name, other.name].includes(name)), []);
});

test('a broker is attached to', async () => {
  const { url } = await sharedConey();
  const attached = await Coney.attach(url);
  const world = await attached.world();
  await withChannel(world, (channel) => channel.assertQueue('q'));
  await world.delete();
  const mapped = await Coney.attach(url, { amqp: 'amqp://broker:5' });
  const far = await mapped.world({ name: 'a b/c' });
  assert.equal(far.uri, 'amqp://guest:guest@broker:5/a%20b%2Fc');
  await far.delete();
  await attached.close();
  assert(await mapped.worlds());
});

test('what cannot be reached or started says why', async () => {
  await assert.rejects(async () => Coney.attach('localhost'), /expected a URL/);
  await assert.rejects(Coney.start({ binary: '/no/such/coney' }), StartError);
  await assert.rejects(Coney.start({ args: ['--no-such-flag'] }), /--no-such-flag/);
  const short = await Coney.start();
  const { url } = short;
  await short.close();
  await short.close();
  await assert.rejects(Coney.attach(url), (error) => error instanceof ConeyError && /ECONNREFUSED/.test(error.message));
});

test('a failed test shows the journal, and a started broker does not keep a program alive', async () => {
  const program = `
    import { withWorld } from ${JSON.stringify(new URL('../coney-testing.mjs', import.meta.url).href)};
    await withWorld(async (world) => {
      await world.wait({ queue: 'none', ready: 1, withinMs: 10 });
    }).catch((error) => console.log(error.message));`;
  const { CONEY_URL, ...env } = process.env;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { env });
  assert.match(stdout, /queue 'none': there is no such queue/);
  assert.match(stderr, /journal of world test-/);
});
