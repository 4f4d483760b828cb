// Something of everything on a broker, for people who look at its page and for tests: `load.mjs AMQP-URL HTTP-URL [SECONDS]`.
//
// Exchanges of each kind, queues with messages in each state, consumers that fail, wait and die, policies that fire,
// users with each tag, and names and bodies that are hostile.

import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

import { Api } from './broker.mjs';
import { require } from './packages.mjs';

const amqp = require('amqplib');

export const SCRIPT = '<script>document.title="owned"</script>';
export const IMAGE = '<img src=x onerror=\'document.title="owned"\'>';
/** A name that breaks out of attributes, elements, paths and patterns, if one lets it. */
export const HOSTILE = `"><img src=x onerror='document.title="owned"'>/%2F#?&{{7*7}}\u202Etxet`;

const TICK_MS = 50;
const REGIONS = ['eu', 'us'];
const KINDS = ['created', 'paid', 'failed'];

const EXCHANGES = [
  ['orders', 'topic', { alternateExchange: 'unrouted' }],
  ['dead', 'fanout', {}],
  ['by-region', 'headers', {}],
  ['audit', 'fanout', {}],
  ['unrouted', 'fanout', {}],
  ['shares', 'x-consistent-hash', {}],
  ['later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } }],
  [HOSTILE, 'direct', {}],
];

const RETRIES = { 'x-delayed-retry-type': 'all', 'x-delayed-retry-min': 20_000, 'x-delayed-retry-max': 600_000 };

/** Queues: name, arguments, bindings as [exchange, key, arguments]. */
const QUEUES = [
  ['orders.eu', { 'x-delivery-limit': 5 }, [['orders', 'eu.*'], ['by-region', '', { 'x-match': 'all', region: 'eu' }]]],
  ['orders.us', { 'x-message-ttl': 600_000 }, [['orders', 'us.#']]],
  ['orders.dead', {}, [['dead', '']]],
  ['audit.all', { 'x-max-length': 5000 }, [['audit', '']]],
  ['mail', { 'x-delivery-limit': 3, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'mail.dead', ...RETRIES }, [['orders', '*.paid']]],
  ['mail.dead', {}, []],
  ['invoices', { 'x-parking-after': 1, 'x-parking-ttl': 3_600_000 }, []],
  ['nobody-listens', {}, []],
  ['lost-and-found', { 'x-max-length': 100 }, [['unrouted', '']]],
  ['ticks', { 'x-max-length': 1000, 'x-overflow': 'reject-publish' }, []],
  ['slow', { 'x-consumer-timeout': 600_000 }, []],
  ['reports', { 'x-max-priority': 5, 'x-single-active-consumer': true }, [['later', 'reports']]],
  ['ledger', { 'x-queue-type': 'quorum', 'x-message-deduplication': true }, [['shares', '1']]],
  ['cache', { 'x-expires': 86_400_000, 'x-message-ttl': 1000 }, [['shares', '2']]],
  ['events', { 'x-queue-type': 'stream', 'x-max-age': '7D', 'x-stream-max-segment-size-bytes': 100_000 }, [['orders', '#']]],
  [HOSTILE, {}, [[HOSTILE, HOSTILE, { [HOSTILE]: HOSTILE }]]],
];

/** Users: name (also the password), tags, permissions on `/` and `staging`. */
const ALL = { configure: '.*', write: '.*', read: '.*' };
const USERS = [
  ['monitor', 'monitoring', { '/': { configure: '', write: '', read: '' } }],
  ['policy', 'policymaker', { '/': ALL }],
  ['mailer', 'management', { '/': { configure: '^mail', write: '^(mail|amq\\.default)', read: '^mail' } }],
  ['nobody', 'management', {}],
  ['worker', '', { '/': ALL }],
];

async function administrate(api) {
  await api.put('/vhosts/staging', { description: 'for tries', tags: 'try' });
  for (const [name, tags, permissions] of USERS) {
    await api.put(`/users/${name}`, { password: name, tags });
    for (const [vhost, rights] of Object.entries(permissions)) await api.put(`/permissions/${encodeURIComponent(vhost)}/${name}`, rights);
  }
  const policy = (kind, name, pattern, definition, priority) =>
    api.put(`/${kind}/%2F/${name}`, { pattern, definition, priority, 'apply-to': 'queues' });
  await policy('policies', 'orders', '^orders\\.(eu|us)$', { 'dead-letter-exchange': 'dead', 'consumer-timeout': 60_000 }, 1);
  await policy('policies', 'bounded', '.*', { 'max-length': 100_000 }, 0);
  await policy('operator-policies', 'not-too-long', '^ticks$', { 'max-length': 500 }, 0);
  await api.put('/vhost-limits/staging/max-queues', { value: 50 });
}

async function declare(channel) {
  for (const [name, type, options] of EXCHANGES) await channel.assertExchange(name, type, { durable: true, ...options });
  await channel.bindExchange('audit', 'orders', '#');
  for (const [name, args, bindings] of QUEUES) {
    await channel.assertQueue(name, { durable: true, arguments: args });
    for (const [exchange, key, table] of bindings) await channel.bindQueue(name, exchange, key, table);
  }
}

/** Bodies as they come, and as they should not. */
const BODIES = [
  ['application/json', (n) => Buffer.from(JSON.stringify({ id: n, customer: { name: `n${n % 7}`, vip: n % 3 === 0 }, note: SCRIPT }))],
  ['text/html', () => Buffer.from(`<!doctype html><body>${SCRIPT}${IMAGE}`)],
  ['text/plain', (n) => Buffer.from(`Grüße ${n} 🐇 \u202E ${'long '.repeat(400)}`)],
  ['application/octet-stream', (n) => Buffer.from(Array.from({ length: 256 }, (_, i) => (i + n) % 256))],
  ['application/json', () => Buffer.from('{"not": json')],
  ['text/plain', () => Buffer.alloc(0)],
];

function atRest(channel) {
  for (let n = 0; n < 300; n += 1) {
    const [contentType, body] = BODIES[n % 4 === 0 ? (n / 4) % BODIES.length : 0];
    const headers = { tenant: `t${n % 5}`, attempt: n, nested: { list: [1, 'two', { three: true }] } };
    channel.sendToQueue('nobody-listens', body(n), { contentType, messageId: `m${n}`, headers, persistent: n % 2 === 0, priority: n % 5 });
  }
  const zipped = gzipSync(JSON.stringify({ compressed: true, list: Array.from({ length: 100 }, (_, i) => i) }));
  channel.sendToQueue('nobody-listens', zipped, { contentType: 'application/json', contentEncoding: 'gzip', messageId: 'zipped' });
  channel.publish(HOSTILE, HOSTILE, Buffer.from(SCRIPT + IMAGE), {
    contentType: `text/html${IMAGE}`, messageId: HOSTILE, appId: HOSTILE, type: HOSTILE, correlationId: HOSTILE, headers: { [HOSTILE]: HOSTILE },
  });
  for (let n = 0; n < 40; n += 1) channel.sendToQueue('invoices', Buffer.from(JSON.stringify({ invoice: n })), { messageId: `i${n}` });
  for (let n = 0; n < 60; n += 1) channel.sendToQueue('slow', Buffer.from(`job ${n}`), { messageId: `s${n}`, persistent: true });
  for (let n = 0; n < 5; n += 1) channel.publish('later', 'reports', Buffer.from(`report ${n}`), { headers: { 'x-delay': 3_600_000 } });
}

/** One tick of what goes on all the time. */
function publishSome(channel, tick) {
  for (const region of REGIONS) {
    const kind = KINDS[tick % KINDS.length];
    const body = JSON.stringify({ order: tick, amount: (tick * 37) % 1000, region });
    channel.publish('orders', `${region}.${kind}`, Buffer.from(body), {
      contentType: 'application/json', messageId: `${region}-${tick}`, persistent: true, headers: { region, tenant: `t${tick % 5}`, 'x-stream-filter-value': region },
    });
  }
  channel.publish('shares', `k${tick}`, Buffer.from('x'), { headers: { 'x-deduplication-header': `k${tick % 50}` } });
  if (tick % 10 === 0) channel.publish('orders', 'nowhere', Buffer.from('lost'));
}

class Load {
  connections = [];

  async connect(name, user = 'guest') {
    const url = new URL(this.url);
    [url.username, url.password] = [user, user];
    const connection = await amqp.connect(url.href, { clientProperties: { connection_name: name } });
    connection.on('error', () => {}); // A test may close it.
    this.connections.push(connection);
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    return channel;
  }

  /** Consumes and does with the nth delivery what `deal` says: `ack`, `requeue`, `reject` or nothing. */
  async consume(queue, { name = `worker ${queue}`, tag = name, prefetch = 10, user, args, deal }) {
    const channel = await this.connect(name, user);
    await channel.prefetch(prefetch);
    let n = 0;
    const got = (message) => {
      if (!message) return;
      n += 1;
      const verdict = deal(n);
      if (verdict === 'ack') channel.ack(message);
      if (verdict === 'requeue') channel.nack(message, false, true);
      if (verdict === 'reject') channel.reject(message, false);
    };
    await channel.consume(queue, got, { consumerTag: tag, arguments: args });
  }

  async consumers() {
    await this.consume('orders.eu', { deal: (n) => ['ack', 'ack', 'ack', 'requeue', 'reject', 'ack'][n % 6] });
    await this.consume('orders.us', { user: 'worker', deal: (n) => (n % 20 === 0 ? 'reject' : 'ack') });
    await this.consume('mail', { deal: (n) => (n % 4 === 0 ? 'requeue' : 'ack') });
    await this.consume('invoices', { deal: () => 'requeue' });
    await this.consume('slow', { prefetch: 5, deal: () => 'keep' });
    await this.consume('reports', { deal: () => 'ack' });
    await this.consume('events', { name: 'statistics', args: { 'x-stream-offset': 'first', 'x-stream-cursor': 'statistics' }, deal: () => 'ack' });
    await this.consume('events', { name: 'search index', args: { 'x-stream-filter': ['eu', 'us'] }, deal: () => 'ack' });
    await this.consume(HOSTILE, { name: HOSTILE, tag: HOSTILE, prefetch: 1, deal: () => 'keep' });
  }

  async start(url, http) {
    this.url = url;
    await administrate(new Api(http));
    const channel = await this.connect('publisher');
    await declare(channel);
    atRest(channel);
    await this.consumers();
    let tick = 0;
    this.timer = setInterval(() => {
      try {
        publishSome(channel, (tick += 1));
      } catch {
        clearInterval(this.timer); // The broker or a test has closed the channel.
      }
    }, TICK_MS);
  }

  async stop() {
    clearInterval(this.timer);
    await Promise.allSettled(this.connections.map((connection) => connection.close()));
  }
}

/** Starts the load; `stop()` of what it returns ends the flow and leaves what is at rest. */
export async function startLoad(url, http) {
  const load = new Load();
  await load.start(url, http);
  return load;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, http, seconds] = process.argv.slice(2);
  const load = await startLoad(url, http);
  if (seconds) setTimeout(() => load.stop(), seconds * 1000);
}
