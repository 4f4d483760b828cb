import assert from 'node:assert/strict';
import { test } from 'node:test';

/** A broker whose queue has these messages by state, and no more of the API than lists of them. */
function brokerOf(states) {
  const broker = { asked: 0, states };
  globalThis.fetch = async (path) => {
    broker.asked += 1;
    const query = new URL(path, 'http://broker').searchParams;
    const [offset, limit] = [Number(query.get('offset')), Math.min(100, Number(query.get('limit')))];
    const found = (broker.states[query.get('state')] ?? []).slice(offset, offset + limit);
    return { ok: true, status: 200, text: async () => JSON.stringify(found) };
  };
  return broker;
}

const messages = (ids, more = {}) => ids.map((id) => ({ id, priority: 0, ...more }));
const range = (count, idOf = (at) => at + 1) => Array.from({ length: count }, (_, at) => idOf(at));
const at = (position) => ({ vhost: '/', name: 'a queue', position });

const { findMessage } = await import('../../../ui/app/message/find.js');

test('a message deep in a long queue is found with few questions', async () => {
  const broker = brokerOf({ ready: messages(range(100_000, (index) => index * 3)) });
  const found = await findMessage(at(77_777 * 3));
  assert.deepEqual([found.state, found.offset, found.message.id], ['ready', 77_777, 77_777 * 3]);
  assert.ok(broker.asked < 50, `${broker.asked} questions`);
});

test('every message of a queue is found, and none that is not there', async () => {
  const ids = [2, 3, 5, 8, 13, 21, 34];
  brokerOf({ ready: messages(ids), unacked: messages([4, 1]), delayed: messages([9, 7]), parked: messages([6]) });
  for (const position of range(40, (index) => index)) {
    const found = await findMessage(at(position));
    const state = ids.includes(position) ? 'ready' : { 4: 'unacked', 1: 'unacked', 9: 'delayed', 7: 'delayed', 6: 'parked' }[position];
    assert.equal(found?.state, state, String(position));
    if (state !== undefined) assert.equal(found.message.id, position);
  }
});

test('with priorities the turn says nothing of the position', async () => {
  brokerOf({ ready: [...messages(range(150, (index) => 500 + index), { priority: 5 }), ...messages(range(150))] });
  assert.equal((await findMessage(at(120))).offset, 269);
  assert.equal((await findMessage(at(549))).offset, 49);
});

test('one that was found is found again where it was, or a little before, or in another state', async () => {
  const broker = brokerOf({ ready: messages(range(1000)) });
  const found = await findMessage(at(600));
  broker.asked = 0;
  assert.equal((await findMessage(at(600), found)).offset, 599);
  assert.equal(broker.asked, 1);
  broker.states = { ready: messages(range(950, (index) => index + 51)) };
  broker.asked = 0;
  assert.equal((await findMessage(at(600), found)).offset, 549);
  assert.ok(broker.asked <= 3);
  broker.states = { ready: [], unacked: messages([600]) };
  assert.equal((await findMessage(at(600), found)).state, 'unacked');
  broker.states = {};
  assert.equal(await findMessage(at(600), found), null);
});
