// Rascal makes a virtual host over HTTP before it connects to it, and deletes it: `check.mjs HTTP-URL AMQP-URL`.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import rascal from 'rascal';

const { BrokerAsPromised } = rascal;
const { version } = createRequire(import.meta.url)('rascal/package.json');
const [http, amqp] = process.argv.slice(2);
const name = `tools-rascal-${randomBytes(4).toString('hex')}`;
const { hostname, port, username: user, password } = new URL(amqp);

async function status(method, path) {
  const authorization = 'Basic ' + Buffer.from(`${user}:${password}`).toString('base64');
  const answer = await fetch(`${http}/api/${path}`, { method, headers: { authorization } });
  await answer.arrayBuffer();
  return answer.status;
}

function settings(vhost) {
  const connection = { hostname, port, user, password, management: { hostname, port: new URL(http).port, user, password } };
  return {
    vhosts: {
      [name]: {
        connection,
        ...vhost,
        exchanges: ['demo'],
        queues: ['one'],
        bindings: ['demo[a.b.#] -> one'],
        publications: { out: { exchange: 'demo', routingKey: 'a.b.c', confirm: true } },
        subscriptions: { in: { queue: 'one', prefetch: 3 } },
      },
    },
  };
}

const create = (vhost) => BrokerAsPromised.create(settings(vhost));

async function aMessageThrough(broker) {
  const subscription = await broker.subscribe('in');
  const got = new Promise((resolve, reject) => {
    subscription.on('message', (message, content, ackOrNack) => (ackOrNack(), resolve(content)));
    subscription.on('error', reject);
  });
  const publication = await broker.publish('out', { greeting: 'hello' });
  await new Promise((resolve, reject) => publication.on('success', resolve).on('error', reject).on('return', reject));
  assert.deepEqual(await got, { greeting: 'hello' });
}

const quietly = (broker) => (broker.on('error', () => {}), broker);

await assert.rejects(create({ check: true }), /Failed to check vhost.*404/);
const broker = quietly(await create({ assert: true }));
assert.equal(await status('GET', `vhosts/${name}`), 200);
await aMessageThrough(broker);
await broker.shutdown();

const again = quietly(await create({ assert: true, check: true }));
await aMessageThrough(again);
await again.nuke();
assert.equal(await status('GET', `vhosts/${name}`), 404);
console.log(`rascal ${version}: 6 checks passed`);
process.exit(); // its timers would keep the program
