import assert from 'node:assert/strict';
import { test } from 'node:test';

import { asNow, asPublished, isBrokers, isDeadLetter, pathOf } from '../../../ui/app/message/path.js';

const death = (queue, exchange, keys, more = {}) => ({ queue, exchange, 'routing-keys': keys, reason: 'rejected', count: 1, time: 100, ...more });
const message = (deaths, headers = {}) => ({
  exchange: 'dead', routing_key: 'k2', payload: '{}',
  properties: { message_id: 'm', headers: { ...headers, 'x-death': deaths, 'x-first-death-queue': 'a', 'x-delivery-count': 3 } },
});

test('the first queue comes first, and the present one last', () => {
  const deaths = [
    death('b', 'retry', ['k'], { reason: 'expired', count: 4, time: 200 }),
    death('a', 'orders', ['k', 'cc'], { attempts: 5, error: 'no such customer', 'consumer-tag': 'worker', 'last-attempt': 99 }),
  ];
  const stations = pathOf(message(deaths), 'c');
  assert.deepEqual(stations.map(({ queue }) => queue), ['a', 'b', 'c']);
  assert.deepEqual(stations.map(({ via }) => via.exchange), ['orders', 'retry', 'dead']);
  assert.deepEqual(stations[0].via.keys, ['k', 'cc']);
  assert.deepEqual(stations[0].death, {
    reason: 'rejected', count: 1, at: 100, attempts: 5, lastAttempt: 99, error: 'no such customer', consumer: 'worker', connection: null, expiration: null,
  });
  assert.equal(stations[1].death.count, 4);
  assert.deepEqual(stations[2], { via: { exchange: 'dead', keys: ['k2'] }, queue: 'c', death: null });
});

test('a message that never died has one station', () => {
  const fresh = { exchange: '', routing_key: 'q', properties: {} };
  assert.deepEqual(pathOf(fresh, 'q'), [{ via: { exchange: '', keys: ['q'] }, queue: 'q', death: null }]);
  assert.equal(isDeadLetter(fresh), false);
  assert.equal(isDeadLetter(message([death('a', 'x', [])])), true);
});

test('an x-death that a publisher made up is passed over', () => {
  for (const deaths of ['text', 7, null, {}, [null, 'x', 3, {}, { queue: 5 }]]) {
    assert.equal(pathOf(message(deaths), 'q').length, 1);
    assert.equal(isDeadLetter(message(deaths)), false);
  }
  const odd = pathOf(message([{ queue: 'a', exchange: 5, 'routing-keys': 'k', reason: {}, count: 'x', time: null }]), 'q');
  assert.deepEqual(odd[0].via, { exchange: '', keys: [] });
  assert.equal(odd[0].death.reason, 'unknown');
  assert.equal(odd[0].death.count, 1);
});

test('as published is the oldest death, with its expiration, without what the broker wrote', () => {
  const deaths = [death('b', 'retry', ['k9']), death('a', 'orders', ['k', 'cc'], { 'original-expiration': '5000' })];
  const published = asPublished(message(deaths, { tenant: 't1' }));
  assert.equal(published.exchange, 'orders');
  assert.equal(published.routing_key, 'k');
  assert.deepEqual(published.properties, { message_id: 'm', headers: { tenant: 't1' }, expiration: '5000' });
  assert.equal(published.payload, '{}');
});

test('as it is now keeps its place', () => {
  const now = asNow(message([death('a', 'orders', ['k'])]));
  assert.equal(now.exchange, 'dead');
  assert.deepEqual(now.properties, { message_id: 'm' });
});

test('the headers of the broker are known', () => {
  for (const name of ['x-death', 'x-first-death-reason', 'x-last-death-queue', 'x-delivery-count', 'x-replays']) assert.ok(isBrokers(name));
  for (const name of ['x-delay', 'x-deaths', 'CC', 'tenant']) assert.ok(!isBrokers(name));
});
