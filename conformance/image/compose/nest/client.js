// Asks the service, and sends it events.
const assert = require('node:assert/strict');
const { ClientProxyFactory, Transport } = require('@nestjs/microservices');
const { firstValueFrom, timeout } = require('rxjs');

const WAIT_MS = 60_000;
const EVENTS = 20;

async function main() {
  const client = ClientProxyFactory.create({
    transport: Transport.RMQ,
    options: { urls: [process.env.RABBITMQ_URL], queue: 'sums', queueOptions: { durable: true } },
  });
  await client.connect();
  const ask = (pattern, data) => firstValueFrom(client.send(pattern, data).pipe(timeout(WAIT_MS)));
  for (let number = 0; number < 50; number += 1) assert.equal(await ask('sum', [number, 1, 2]), number + 3);
  for (let number = 0; number < EVENTS; number += 1) await firstValueFrom(client.emit('note', 2), { defaultValue: null });
  const end = Date.now() + WAIT_MS;
  while ((await ask('noted', {})) !== 2 * EVENTS) assert.ok(Date.now() < end, 'events did not arrive');
  await client.close();
  console.log('50 requests and 20 events');
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
