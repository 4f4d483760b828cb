// What the linter found, thing by thing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byPlace } from '../../../ui/app/clients/portability.js';

const finding = (changes) => ({ rule: 'r', where: "queue 'q' (declared by app 'a')", vhost: '/', target: 'rabbitmq-4.0', count: 2, outcome: 'ignored', text: 't', fix: 'f', ...changes });

test('brokers that do the same share a line', () => {
  const places = byPlace([finding({}), finding({ target: 'rabbitmq-4.3', outcome: 'refused 406 PRECONDITION_FAILED' }), finding({ target: 'lavinmq-2' })]);
  assert.equal(places.length, 1);
  assert.deepEqual(places[0].verdicts, [
    { outcome: 'ignored', text: 't', targets: ['rabbitmq-4.0', 'lavinmq-2'] },
    { outcome: 'refused 406 PRECONDITION_FAILED', text: 't', targets: ['rabbitmq-4.3'] },
  ]);
  assert.equal(places[0].count, 2);
});

test('the same in another virtual host is another thing', () => {
  assert.equal(byPlace([finding({}), finding({ vhost: 'v' }), finding({ rule: 'other' })]).length, 3);
});

test('what is refused comes first, what is a matter of taste last', () => {
  const places = byPlace([finding({ rule: 'smell', target: null, outcome: 'smell' }), finding({ rule: 'differs', outcome: 'differs' }), finding({ rule: 'refused', outcome: 'refused 541 INTERNAL_ERROR' })]);
  assert.deepEqual(places.map(({ rule }) => rule), ['refused', 'differs', 'smell']);
  assert.deepEqual(places[2].verdicts[0].targets, []);
  assert.deepEqual(byPlace([]), []);
});
