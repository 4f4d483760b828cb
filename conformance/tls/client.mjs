// Publishes with confirms and consumes over TLS with amqplib, by password and by certificate: `client.mjs PORT CERT-DIR`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const amqp = createRequire(import.meta.url)("amqplib");
const [port, certs] = process.argv.slice(2);
const ca = [readFileSync(`${certs}/ca.pem`)];
const own = { cert: readFileSync(`${certs}/ann.pem`), key: readFileSync(`${certs}/ann-key.pem`) };
const bodies = [0, 5, 100_000, 3_000_000].map((bytes) => Buffer.alloc(bytes, "x"));

async function roundTrip(url, options) {
  const connection = await amqp.connect(url, { ca, ...options });
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  for (const body of bodies) channel.sendToQueue(queue, body);
  await channel.waitForConfirms();
  for (const body of bodies) {
    const message = await channel.get(queue, { noAck: true });
    assert.ok(message && message.content.equals(body), `${body.length} bytes`);
  }
  await connection.close();
}

await roundTrip(`amqps://guest:guest@localhost:${port}`, {});
await roundTrip(`amqps://localhost:${port}`, { ...own, credentials: amqp.credentials.external() });
await assert.rejects(roundTrip(`amqps://localhost:${port}`, { credentials: amqp.credentials.external() }), /ACCESS.REFUSED|403/);
