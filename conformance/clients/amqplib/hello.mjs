// What a program does with a broker, done with amqplib and checked: `hello.mjs [AMQP-URL]`.
//
// Each entry of `checks` is one feature. It declares what it needs under names of its own, fails with what it got and
// what it expected, and leaves nothing behind. The exit status is 1 if any failed. amqplib has no transactions.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isDeepStrictEqual, inspect } from 'node:util';

// Resolved from the working directory, so that nothing has to be installed beside this file.
const require = createRequire(`${process.cwd()}/`);
const amqp = require('amqplib');

const DEADLINE_MS = 10_000;
const CHECK_LIMIT_MS = 30_000;
const RPCS = 40;
/** Half of what it takes if it is held up. Without that it is a fraction of a millisecond, or some where the machine is busy. */
const RPC_LIMIT_MS = 20;
const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to';
const url = process.argv[2] ?? 'amqp://guest:guest@127.0.0.1:5672';

class Mismatch extends Error {}

function same(what, actual, expected) {
  if (isDeepStrictEqual(actual, expected)) return;
  const show = (value) => inspect(value, { depth: 6, breakLength: Infinity }).slice(0, 400);
  throw new Mismatch(`${what}: got ${show(actual)}, expected ${show(expected)}`);
}

/** Asks again until the answer is not undefined. */
async function until(what, ask) {
  const end = Date.now() + DEADLINE_MS;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Mismatch(`${what}: did not happen within ${DEADLINE_MS} ms`);
}

/** The code with which the broker closed the channel. */
async function codeOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code;
  }
  return undefined;
}

/** A connection with one channel in confirm mode, and the names to delete at the end. */
class Session {
  queues = [];
  exchanges = [];
  prefix = `amqplib-hello-${randomUUID().slice(0, 13)}`;

  static async open() {
    const session = new Session();
    await session.connect();
    return session;
  }

  async connect() {
    this.connection = await amqp.connect(url);
    this.connection.on('error', () => {}); // It reaches the check through a rejected promise.
    this.channel = await this.open();
  }

  async open() {
    const channel = await this.connection.createConfirmChannel();
    channel.on('error', () => {});
    return channel;
  }

  name(suffix) {
    return `${this.prefix}-${suffix}`;
  }

  async queue(suffix = 'q', options = {}) {
    const { queue } = await this.channel.assertQueue(this.name(suffix), { durable: false, ...options });
    this.queues.push(queue);
    return queue;
  }

  async exchange(type, suffix = 'x') {
    const { exchange } = await this.channel.assertExchange(this.name(suffix), type, { durable: false });
    this.exchanges.push(exchange);
    return exchange;
  }

  /** Publishes and waits for the confirm. */
  publish(exchange, key, body, options = {}) {
    return new Promise((resolve, reject) => {
      const done = (error) => (error ? reject(error) : resolve());
      this.channel.publish(exchange, key, Buffer.from(body), options, done);
    });
  }

  /** The next message, waiting for it. */
  get(queue, noAck = true) {
    return until(`a message in ${queue}`, async () => (await this.channel.get(queue, { noAck })) || undefined);
  }

  async ready(queue) {
    return (await this.channel.checkQueue(queue)).messageCount;
  }

  async close() {
    const channel = await this.open();
    for (const queue of this.queues) await channel.deleteQueue(queue);
    for (const exchange of this.exchanges) await channel.deleteExchange(exchange);
    await this.connection.close();
  }
}

const checks = {
  async 'publish with confirm, consume with ack'(s) {
    const queue = await s.queue('q', { durable: true });
    const numbers = Array.from({ length: 100 }, (_, number) => String(number));
    await Promise.all(numbers.map((body) => s.publish('', queue, body, { persistent: true })));
    const got = [];
    const { consumerTag } = await s.channel.consume(queue, (message) => {
      got.push([message.content.toString(), message.fields.redelivered]);
      s.channel.ack(message);
    });
    await until('100 deliveries', () => (got.length === 100 ? true : undefined));
    await s.channel.cancel(consumerTag);
    same('messages in order, none redelivered', got, numbers.map((body) => [body, false]));
    same('left after the acks', (await s.channel.deleteQueue(queue)).messageCount, 0);
  },

  async 'nack with requeue redelivers'(s) {
    const queue = await s.queue();
    await s.publish('', queue, 'again');
    const first = await s.get(queue, false);
    same('redelivered at first', first.fields.redelivered, false);
    s.channel.nack(first, false, true);
    const second = await s.get(queue, false);
    same('redelivered after the nack', second.fields.redelivered, true);
    s.channel.ack(second);
    same('left', await s.ready(queue), 0);
  },

  async 'reject dead-letters with x-death'(s) {
    const exchange = await s.exchange('direct');
    const dead = await s.queue('dead');
    await s.channel.bindQueue(dead, exchange, 'died');
    const queue = await s.queue('q', { deadLetterExchange: exchange, deadLetterRoutingKey: 'died' });
    await s.publish('', queue, 'bad', { headers: { own: 1 } });
    s.channel.reject(await s.get(queue, false), false);
    const { content, fields, properties } = await s.get(dead);
    same('dead letter', [fields.exchange, fields.routingKey, content.toString()], [exchange, 'died', 'bad']);
    const { headers } = properties;
    same('own header', headers.own, 1);
    const first = ['queue', 'reason', 'exchange'].map((key) => headers[`x-first-death-${key}`]);
    same('x-first-death-*', first, [queue, 'rejected', '']);
    const [{ time, ...death }, ...older] = headers['x-death'];
    same('older deaths', older, []);
    same('time is a timestamp', time['!'], 'timestamp');
    same('x-death', death, { count: 1, reason: 'rejected', queue, exchange: '', 'routing-keys': [queue] });
  },

  async 'message and queue TTL expire into the dead letter exchange'(s) {
    const dead = await s.queue('dead');
    const dlx = { deadLetterExchange: '', deadLetterRoutingKey: dead };
    const byMessage = await s.queue('by-message', dlx);
    await s.publish('', byMessage, 'message', { expiration: 50 });
    const one = await s.get(dead);
    const death = one.properties.headers['x-death'][0];
    same('message TTL', [death.reason, death.queue, death['original-expiration']], ['expired', byMessage, '50']);
    same('expiration is removed', one.properties.expiration, undefined);
    const byQueue = await s.queue('by-queue', { ...dlx, messageTtl: 50 });
    await s.publish('', byQueue, 'queue');
    const two = await s.get(dead);
    same('queue TTL', two.properties.headers['x-death'][0].queue, byQueue);
  },

  async 'max-length with reject-publish nacks'(s) {
    const queue = await s.queue('q', { maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } });
    await s.publish('', queue, 'fits');
    const refused = await s.publish('', queue, 'does not').then(() => false, () => true);
    same('the second publish is nacked', refused, true);
    same('kept', (await s.get(queue)).content.toString(), 'fits');
  },

  async 'topic routing'(s) {
    const exchange = await s.exchange('topic');
    const patterns = { one: 'a.*.c', all: 'a.#', other: 'b.#' };
    for (const [suffix, pattern] of Object.entries(patterns)) {
      await s.channel.bindQueue(await s.queue(suffix), exchange, pattern);
    }
    for (const key of ['a.b.c', 'a', 'a.b.b.c', 'c.a']) await s.publish(exchange, key, key);
    const counts = {};
    for (const suffix of Object.keys(patterns)) counts[suffix] = await s.ready(s.name(suffix));
    same('messages routed', counts, { one: 1, all: 3, other: 0 });
  },

  async 'fanout, and exchange to exchange'(s) {
    const exchange = await s.exchange('fanout');
    const second = await s.exchange('fanout', 'x2');
    await s.channel.bindExchange(second, exchange, '');
    const sources = { a: exchange, b: exchange, c: second };
    for (const [suffix, source] of Object.entries(sources)) {
      await s.channel.bindQueue(await s.queue(suffix), source, '');
    }
    await s.publish(exchange, 'any', 'to all');
    for (const suffix of 'abc') same(suffix, (await s.get(s.name(suffix))).content.toString(), 'to all');
  },

  async 'headers exchange'(s) {
    const exchange = await s.exchange('headers');
    for (const match of ['all', 'any']) {
      const queue = await s.queue(match);
      await s.channel.bindQueue(queue, exchange, '', { 'x-match': match, colour: 'red', size: 5 });
    }
    for (const headers of [{ colour: 'red', size: 5 }, { colour: 'red' }, { colour: 'blue' }]) {
      await s.publish(exchange, '', '', { headers });
    }
    same('matched by all', await s.ready(s.name('all')), 1);
    same('matched by any', await s.ready(s.name('any')), 2);
  },

  async 'RPC over direct reply-to'(s) {
    const requests = await s.queue('requests');
    const replies = [];
    const note = ({ content, properties }) => replies.push([properties.correlationId, content.toString()]);
    await s.channel.consume(DIRECT_REPLY_TO, note, { noAck: true });
    await s.publish('', requests, '20', { replyTo: DIRECT_REPLY_TO, correlationId: 'id-1' });
    const request = await s.get(requests);
    const { replyTo, correlationId } = request.properties;
    same('reply-to is rewritten', replyTo.startsWith(`${DIRECT_REPLY_TO}.`), true);
    const server = await s.open();
    server.sendToQueue(replyTo, Buffer.from(String(Number(request.content) + 1)), { correlationId });
    await until('the reply', () => (replies.length ? true : undefined));
    same('replies', replies, [['id-1', '21']]);
  },

  async 'RPC is not held up by delayed acknowledgements of TCP'(s) {
    // The server's ack after its reply is a small write after another: amqplib leaves Nagle's algorithm on, which holds it back
    // until the broker's kernel has acknowledged the reply. With RabbitMQ that takes 40 ms.
    const requests = await s.queue('requests');
    const server = await s.open();
    await server.prefetch(1);
    await server.consume(requests, (request) => {
      if (request === null) return; // the queue is deleted at the end
      server.sendToQueue(request.properties.replyTo, request.content);
      server.ack(request);
    });
    let replied;
    await s.channel.consume(DIRECT_REPLY_TO, () => replied(), { noAck: true });
    const took = [];
    for (let number = 0; number < RPCS; number += 1) {
      const start = performance.now();
      const reply = new Promise((resolve) => { replied = resolve; });
      s.channel.sendToQueue(requests, Buffer.from(String(number)), { replyTo: DIRECT_REPLY_TO });
      await reply;
      took.push(performance.now() - start);
    }
    const median = took.sort((a, b) => a - b)[RPCS / 2];
    const isConey = s.connection.connection.serverProperties.platform === 'Rust';
    if (isConey && median > RPC_LIMIT_MS) throw new Mismatch(`the median RPC took ${median.toFixed(1)} ms`);
  },

  async 'mandatory is returned before its confirm'(s) {
    const events = [];
    s.channel.on('return', ({ content, fields }) => events.push([fields.replyCode, fields.replyText, content.toString()]));
    await s.publish('', s.name('nowhere'), 'back', { mandatory: true });
    same('returned', events, [[312, 'NO_ROUTE', 'back']]);
  },

  async 'empty and large bodies'(s) {
    const queue = await s.queue();
    for (const body of [Buffer.alloc(0), Buffer.alloc(1 << 20, 'coney'), Buffer.alloc(131_072, 1)]) {
      await s.publish('', queue, body);
      const { content } = await s.get(queue);
      same('length of the body', content.length, body.length);
      same('body is the same', content.equals(body), true);
    }
  },

  async 'headers and properties round trip'(s) {
    // Every type that amqplib can write.
    const queue = await s.queue();
    const typed = (type, value) => ({ '!': type, value });
    const headers = {
      true: true, false: false, int8: -5, int16: -300, int32: 70_000, int64: 2 ** 40, double: 0.1, text: 'grüße',
      empty: '', null: null, bytes: Buffer.from([0, 255]), list: [1, 'two', [3.5, null], { k: false }], none: [],
      table: { deep: { deeper: { deepest: [1, 2] } }, empty: {} },
      time: typed('timestamp', 1_700_000_000), decimal: typed('decimal', { digits: 314, places: 2 }),
    };
    const wide = { float: 0.5, uint8: 200, uint16: 60_000, uint32: 4_000_000_000 };
    const sent = { ...headers };
    for (const [type, value] of Object.entries(wide)) sent[type] = typed(type, value);
    const options = {
      contentType: 'text/plain', contentEncoding: 'utf-8', priority: 7, correlationId: 'c', replyTo: 'r',
      expiration: '600000', messageId: 'm', timestamp: 1_700_000_000, type: 't', appId: 'a',
      userId: decodeURIComponent(new URL(url).username || 'guest'),
    };
    await s.publish('', queue, '', { ...options, persistent: true, headers: sent });
    const { properties } = await s.get(queue);
    const expected = { ...headers, ...wide };
    for (const [key, value] of Object.entries(expected)) same(`header ${key}`, properties.headers[key], value);
    same('header names', Object.keys(properties.headers), Object.keys(expected));
    for (const [key, value] of Object.entries({ ...options, deliveryMode: 2 })) same(key, properties[key], value);
  },

  async 'prefetch is exact'(s) {
    const queue = await s.queue();
    for (const body of '01234') await s.publish('', queue, body);
    const got = [];
    await s.channel.prefetch(2);
    await s.channel.consume(queue, (message) => got.push(message));
    const unacked = (count) => until(`${count} deliveries`, () => (got.length >= count ? true : undefined));
    await unacked(2);
    same('ready while two are unacked', [await s.ready(queue), got.length], [3, 2]);
    s.channel.ack(got[0]);
    await unacked(3);
    same('ready after one ack', [await s.ready(queue), got.length], [2, 3]);
    s.channel.ack(got[2], true);
    await unacked(5);
    s.channel.ackAll();
  },

  async 'get, purge and delete count'(s) {
    const queue = await s.queue();
    same('get from an empty queue', await s.channel.get(queue), false);
    for (const body of '0123') await s.publish('', queue, body);
    same('left after a get', (await s.get(queue)).fields.messageCount, 3);
    same('purged', (await s.channel.purgeQueue(queue)).messageCount, 3);
    await s.publish('', queue, 'x');
    same('deleted with', (await s.channel.deleteQueue(queue)).messageCount, 1);
  },

  async 'a channel error leaves the connection'(s) {
    same('code of a passive declare', await codeOf(s.channel.checkQueue(s.name('missing'))), 404);
    s.channel = await s.open();
    const queue = await s.queue();
    same('code of a declare with another argument', await codeOf(s.channel.assertQueue(queue, { durable: true })), 406);
    s.channel = await s.open();
    await s.publish('', queue, 'still here');
    same('a new channel works', (await s.get(queue)).content.toString(), 'still here');
  },

  async "an exclusive queue is its connection's"(s) {
    const other = await Session.open();
    try {
      const { queue } = await other.channel.assertQueue('', { exclusive: true });
      same('server-named', queue.startsWith('amq.gen-'), true);
      same('code for another connection', await codeOf(s.channel.checkQueue(queue)), 405);
      await other.connection.close();
      await until('the queue goes with its connection', async () => {
        s.channel = await s.open();
        return (await codeOf(s.channel.checkQueue(queue))) === 404 ? true : undefined;
      });
    } finally {
      await other.connection.close().catch(() => {});
    }
  },

  async 'deleting a queue cancels its consumer'(s) {
    const queue = await s.queue();
    let cancelled = false;
    await s.channel.consume(queue, (message) => { cancelled = message === null; });
    await (await s.open()).deleteQueue(queue);
    await until('the cancel', () => (cancelled ? true : undefined));
  },
};

/** Fails when there is no answer in time. */
function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Mismatch(`no answer within ${CHECK_LIMIT_MS} ms`)), CHECK_LIMIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Whether the action ended well; says why if not. */
async function attempt(name, action) {
  try {
    await inTime(action());
    return true;
  } catch (error) {
    const where = error.stack?.match(/hello\.mjs:(\d+)/g)?.pop();
    console.error(`amqplib: ${name}: ${error.message} (${where ?? 'from the connection'})`);
    return false;
  }
}

/** Whether the check and its cleaning up succeeded. */
async function run(name, check) {
  let session;
  const open = async () => { session = await Session.open(); };
  if (!(await attempt(`${name}: connecting`, open))) return false;
  const done = await attempt(name, () => check(session));
  return (await attempt(`${name}: cleaning up`, () => session.close())) && done;
}

/** Publishes while the broker is killed and started again: what was confirmed has to be there afterwards. */
async function reconnect(restart) {
  const queue = `amqplib-crash-${randomUUID()}`;
  const total = 300;
  const beforeRestart = 100;
  let number = 0;
  let restarted;
  while (number < total) {
    try {
      const connection = await amqp.connect(url);
      connection.on('error', () => {}); // What it was does not matter: what is not confirmed is published again.
      const channel = await connection.createConfirmChannel();
      channel.on('error', () => {});
      await channel.assertQueue(queue, { durable: true });
      while (number < total) {
        channel.sendToQueue(queue, Buffer.from('kept'), { persistent: true, messageId: String(number) });
        await channel.waitForConfirms();
        number += 1;
        if (number >= beforeRestart && !restarted) {
          const child = spawn(restart, { shell: true, stdio: 'inherit' });
          restarted = new Promise((resolve) => { child.on('exit', resolve); });
        }
      }
      await connection.close();
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }
  same('status of the restart', await restarted, 0);
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  const lost = new Set(Array.from({ length: total }, (_, index) => String(index)));
  for (let got = await channel.get(queue, { noAck: true }); got; got = await channel.get(queue, { noAck: true })) {
    lost.delete(got.properties.messageId);
  }
  await channel.deleteQueue(queue);
  await connection.close();
  same('confirmed and lost', [...lost], []);
}

let passed = 0;
for (const [name, check] of Object.entries(checks)) passed += await run(name, check);
let total = Object.keys(checks).length;
const restart = process.env.BROKER_RESTART;
if (restart) {
  total += 1;
  passed += await attempt('reconnect', () => reconnect(restart));
}
const skipped = restart ? '' : ' (reconnect skipped)';
console.log(`amqplib ${JSON.parse(readFileSync('node_modules/amqplib/package.json')).version}: ${passed} of ${total} checks passed${skipped}`);
process.exit(passed === total ? 0 : 1);
