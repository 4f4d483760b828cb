import assert from 'node:assert/strict';
import test from 'node:test';

import { belongs, deadLetterAction, offeredActions, sentence, waitingAction } from '../../../ui/app/failures/actions.js';
import { alike, counted, groupOf, listed, together, withEvent } from '../../../ui/app/failures/groups.js';
import { reasonInWords } from '../../../ui/app/failures/kinds.js';
import { emptyRule, ended, fileName, filterOf, inWords, remembered, ruleOf } from '../../../ui/app/recorder/rules.js';

const event = (more) => ({ vhost: '/', what: 'dead-lettered', queue: 'q', position: 1, at: 1000, reason: 'rejected', error: null, to: ['q.dead'], ...more });

test('errors are alike that differ in what varies', () => {
  for (const [error, expected] of [
    ['order 4711 not found', 'order … not found'], ['timeout after 1.5 s', 'timeout after … s'],
    ['id 3f2504e0-4f89-11d3-9a0c-0305e82c3301 gone', 'id … gone'], ['at 0xdeadbeef', 'at …'], ['2026-11-29 11:22:33: no', '…-…-… …: no'],
    ['bad facade', 'bad facade'], ['', null], [null, null],
  ]) assert.equal(alike(error), expected, error);
});

test('events join the group that they belong to', () => {
  let groups = new Map();
  for (const more of [
    { position: 1, at: 1000, error: 'order 1 not found' }, { position: 2, at: 3000, error: 'order 2 not found' }, { position: 3, at: 2000, error: 'disk full' },
    { what: 'acked' }, { what: 'dropped', reason: 'expired', count: 50, position: 9 },
  ]) groups = withEvent(groups, event(more));
  const all = listed(groups.values(), {});
  assert.deepEqual(all.map(({ error, count }) => [error, count]), [['order 2 not found', 2], ['disk full', 1], [null, 50]]);
  assert.deepEqual(all[0].positions, [2, 1]);
  assert.deepEqual([all[0].first, all[0].last], [1000, 3000]);
});

test('an event that is no failure changes nothing', () => {
  const groups = new Map();
  assert.equal(withEvent(groups, event({ what: 'published' })), groups);
});

test('groups of the API are joined, filtered and counted', () => {
  const told = (more) => groupOf('/', { queue: 'q', what: 'dead-lettered', reason: 'rejected', count: 2, first: 1, last: 2, positions: [5], ...more });
  const groups = [...together([told({}), told({ positions: [5, 4], last: 9 }), told({ queue: 'r', reason: 'expired' }), told({ queue: null, exchange: 'x', what: 'unroutable', reason: null })]).values()];
  assert.equal(groups.length, 3);
  assert.deepEqual([groups[0].count, groups[0].positions, groups[0].last], [4, [5, 4], 9]);
  assert.deepEqual(listed(groups, { queue: 'r' }).map((group) => group.queue), ['r']);
  assert.deepEqual(listed(groups, { text: 'UNROUT' }).map((group) => group.exchange), ['x']);
  assert.deepEqual(listed(groups, { order: 'queue' }).map((group) => group.queue), [null, 'q', 'r']);
  assert.deepEqual(counted(groups, 'what'), [{ name: 'dead-lettered', count: 6 }, { name: 'unroutable', count: 2 }]);
});

test('what can be done depends on where the messages are', () => {
  const group = groupOf('a/b', event({ error: 'x', first: 1, last: 1 }));
  assert.deepEqual(offeredActions(group), ['replay', 'move', 'drop']);
  assert.deepEqual(offeredActions({ ...group, to: [] }), []);
  assert.deepEqual(offeredActions({ ...group, what: 'parked' }), ['release', 'drop']);
  assert.deepEqual(offeredActions({ ...group, what: 'unroutable' }), []);
});

test('requests name what they mean', () => {
  const group = groupOf('/', { ...event({}), count: 2, positions: [1, 2], first: 1, last: 1 });
  assert.deepEqual(deadLetterAction('replay', group, 'q.dead'), {
    kind: 'replay', queue: 'q.dead', path: '/api/coney/queues/%2F/q.dead/messages/replay', body: { filter: { headers: { 'x-last-death-queue': 'q' }, reason: 'rejected' } },
  });
  const drop = deadLetterAction('drop', group, 'q.dead', { ids: [3] });
  assert.ok(drop.path.endsWith('/delete'));
  assert.deepEqual(drop.body.ids, [3]);
  assert.deepEqual(deadLetterAction('move', group, 'q.dead', { to: { queue: 'z' } }).body.to, { queue: 'z' });
  assert.deepEqual(waitingAction('release', { ...group, what: 'parked' }).body, { state: 'parked', ids: [1, 2] });
  assert.deepEqual(waitingAction('release', { ...group, what: 'parked', count: 900 }).body, { state: 'parked' });
});

test('a dead letter belongs to the group of its newest death', () => {
  const message = { properties: { headers: { 'x-death': [{ queue: 'q', reason: 'rejected', error: 'order 5 not found' }, { queue: 'older', reason: 'expired' }] } } };
  assert.ok(belongs(message, { queue: 'q', reason: 'rejected', error: 'order 77 not found' }));
  assert.ok(!belongs(message, { queue: 'q', reason: 'rejected', error: 'disk full' }));
  assert.ok(!belongs(message, { queue: 'older', reason: 'expired', error: null }));
  assert.ok(!belongs({ properties: {} }, { queue: null, reason: null, error: null }));
});

test('sentences count', () => {
  const action = deadLetterAction('replay', groupOf('/', event({ first: 1, last: 1 })), 'q.dead');
  assert.equal(sentence(action, 1, true), "1 message in 'q.dead' was sent back to where it came from.");
  assert.equal(sentence(action, 1200, false), "1,200 messages in 'q.dead' will be sent back to where they came from.");
  assert.equal(sentence({ ...action, kind: 'move', body: { to: { exchange: 'x', routing_key: 'k' } } }, 2, true), "2 messages in 'q.dead' were moved to exchange 'x' with key 'k'.");
});

test('reasons', () => {
  assert.equal(reasonInWords('maxlen'), 'queue full');
  assert.equal(reasonInWords('some_new-one'), 'some new one');
  assert.equal(reasonInWords(null), '');
});

test('rules of the recorder', () => {
  const form = { ...emptyRule(), name: ' orders ', next: '100' };
  assert.deepEqual(ruleOf(form, 1000).rule, { queue: 'orders', until: 3_601_000, next: 100 });
  assert.deepEqual(ruleOf({ ...form, by: 'header', name: 'tenant', value: 't1', next: '' }, 0).rule, { header: { tenant: 't1' }, until: 3_600_000 });
  assert.deepEqual(ruleOf({ ...form, by: 'all', name: '' }, 0).errors, {});
  assert.deepEqual(Object.keys(ruleOf({ ...form, name: '', next: '0', minutes: 'x' }, 0).errors), ['name', 'next', 'minutes']);
  assert.equal(inWords({ header: { tenant: 't1' } }), "header tenant = 't1'");
  assert.equal(inWords({ all: true }), 'everything');
  assert.deepEqual([filterOf({ queue: 'q' }), filterOf({ header: { a: 'b' } }), filterOf({ all: true })], [{ queue: 'q' }, {}, {}]);
  assert.equal(fileName({ queue: 'orders/eu' }, new Date(0)), 'recording-queue-orders-eu-1970-01-01T000000.json');
});

test('rules that ended are remembered, apart from those of another start of the broker', () => {
  const rule = (id, since) => ({ id, since });
  assert.deepEqual(ended([rule(1, 10), rule(2, 20)], [rule(2, 20)]), [rule(1, 10)]);
  assert.deepEqual(ended([rule(1, 10)], [rule(1, 99)]), [rule(1, 10)]);
  assert.deepEqual(remembered([rule(1, 10), rule(2, 20)], [rule(2, 20), rule(3, 30)], 2), [rule(3, 30), rule(2, 20)]);
});
