import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hopsOf } from '../../../ui/app/message/hops.js';

const binding = (source, key, type, destination, args = {}) => ({ source, routing_key: key, destination_type: type, destination, arguments: args });

test('a publish is told hop by hop', () => {
  const hops = hopsOf({
    alternates: [{ exchange: 'strict', alternate: 'shop' }],
    bindings: [binding('shop', 'eu.#', 'exchange', 'eu'), binding('eu', '', 'queue', 'orders', { tenant: 'a' })],
    bindings_left_out: 2,
  });
  assert.deepEqual(hops.map(({ from, to }) => [from.name, to.name]), [['strict', 'shop'], ['shop', 'eu'], ['eu', 'orders'], ['…', '2 more bindings']]);
  assert.deepEqual(hops.map(({ by }) => by.key), [undefined, 'eu.#', '', undefined]);
  assert.equal(hops[2].by.text, '{"tenant":"a"}');
  assert.deepEqual(hops.map(({ to }) => to.kind), ['exchange', 'exchange', 'queue', 'more']);
});

test('what was not routed by a binding has no hops', () => {
  assert.deepEqual([undefined, null, {}, { bindings: [], alternates: [], bindings_left_out: 0 }].map(hopsOf), [[], [], [], []]);
});
