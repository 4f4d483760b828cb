import assert from 'node:assert/strict';
import test from 'node:test';

import { changes, definitionsDiff, same, tally } from '../../../ui/app/admin/diff.js';
import { importOf } from '../../../ui/app/admin/import-diff.js';
import { linesOf } from '../../../ui/app/admin/log-lines.js';
import { beginningWith, exactly, inWords, matcher } from '../../../ui/app/admin/patterns.js';
import { emptyForm, fromForm, readValue, toForm, valueText } from '../../../ui/app/admin/policy-form.js';
import { POLICY_KEYS, offered, policyKey } from '../../../ui/app/admin/policy-keys.js';
import { changesOf } from '../../../ui/app/admin/preview.js';
import { formatDuration, formatSize, parseCount, parseDuration, parseSize } from '../../../ui/app/admin/quantity.js';

test('durations are read as people write them', () => {
  for (const [text, ms] of [
    ['500', 500], ['0', 0], ['30 s', 30_000], ['1.5s', 1500], ['10 min', 600_000], ['10m', 600_000], ['1h30min', 5_400_000], [' 2 Days ', 172_800_000],
  ]) assert.deepEqual(parseDuration(text), { value: ms }, text);
  for (const text of ['', 'soon', '5 apples', '-3', '1 30', '0.0001 ms', '1 h 30']) assert.ok('error' in parseDuration(text), text);
});

test('sizes are read as people write them', () => {
  for (const [text, bytes] of [['5000', 5000], ['64 MiB', 67_108_864], ['64M', 67_108_864], ['1.5 kb', 1500], ['0', 0]]) {
    assert.deepEqual(parseSize(text), { value: bytes }, text);
  }
  for (const text of ['', '1 XB', '0.3 b', '9999999999 TiB']) assert.ok('error' in parseSize(text), text);
});

test('counts may have separators', () => {
  assert.deepEqual(parseCount('10,000'), { value: 10_000 });
  assert.deepEqual(parseCount(' 1 000 000 '), { value: 1_000_000 });
  for (const text of ['', '1.5', '-1', 'ten', '1,0']) assert.ok('error' in parseCount(text), text);
});

test('what is shown of a quantity is read as the same quantity', () => {
  for (const ms of [0, 1, 999, 1000, 1500, 59_999, 60_000, 90_000, 3_600_000, 86_400_000, 123_456_789]) {
    assert.deepEqual(parseDuration(formatDuration(ms)), { value: ms }, formatDuration(ms));
  }
  for (const bytes of [0, 1, 1023, 1024, 1536, 1024 ** 2, 1024 ** 3 + 1]) assert.deepEqual(parseSize(formatSize(bytes)), { value: bytes }, formatSize(bytes));
});

test('a pattern is told in words', () => {
  for (const [pattern, words] of [
    ['', 'nothing'], ['^$', 'nothing'], ['.*', 'everything'], ['^.*$', 'everything'],
    ['^orders', "what begins with 'orders'"], ['^orders.*', "what begins with 'orders'"], [String.raw`^orders\.eu$`, "'orders.eu'"],
    ['dead$', "what ends with 'dead'"], ['orders', "what contains 'orders'"],
    ['^(a|b)$', "'a', or 'b'"], ['^(a|b).*', "what begins with 'a', or what begins with 'b'"], ['^a$|^b', "'a', or what begins with 'b'"],
    ['^[a-z]+$', 'what matches ^[a-z]+$'], ['a+b', 'what matches a+b'],
  ]) assert.equal(inWords(pattern), words, pattern);
  assert.equal(inWords('', { empty: 'everything' }), 'everything');
});

test('a pattern is matched anywhere in a name, an empty one as it is meant', () => {
  assert.ok(matcher('ord').test('my.orders') && !matcher('^ord').test('my.orders'));
  assert.ok(matcher('').test('x') && !matcher('', { empty: 'nothing' }).test('x'));
  assert.ok(matcher(String.raw`a\-b`).test('a-b'), 'an escape that Perl allows');
  assert.notEqual(matcher('(').error, null);
  assert.equal(matcher('(').test('('), false);
});

test('made patterns match what they are made of and nothing else', () => {
  for (const name of ['orders.eu', 'a+b', '[x]', '(y)|z', String.raw`back\slash`, '^$']) {
    assert.ok(matcher(exactly(name)).test(name), name);
    assert.ok(!matcher(exactly(name)).test(`${name}x`), name);
    assert.ok(matcher(beginningWith(name)).test(`${name}x`), name);
  }
});

test('a policy is the same after a round through the form', () => {
  const definition = {
    'max-length': 5000, 'max-length-bytes': 1024 ** 3, 'message-ttl': 90_000, overflow: 'reject-publish', 'dead-letter-exchange': '',
    'delivery-limit': -1, 'delayed-retry-steps': [1000, 60_000], 'delayed-retry-multiplier': 1.5, 'message-deduplication': true,
    'ha-mode': 'all', 'ha-params': 2,
  };
  const policy = { name: 'p', vhost: '/', pattern: '^a', 'apply-to': 'queues', priority: 7, definition };
  const { policy: back, errors } = fromForm(toForm(policy));
  assert.deepEqual(errors, {});
  assert.deepEqual(back, { pattern: '^a', 'apply-to': 'queues', priority: 7, definition });
});

test('every key has a value that its form takes, and a text that it refuses or keeps', () => {
  const texts = { duration: '10 s', count: '3', size: '1 KiB', text: 'x', exchange: 'x', durations: '1 s, 2 s', number: '2.5', flag: 'true' };
  for (const row of POLICY_KEYS) {
    const text = texts[row.kind] ?? row.choices[0];
    const read = readValue(row.key, text);
    assert.ok('value' in read, row.key);
    assert.deepEqual(readValue(row.key, valueText(row.key, read.value)), read, row.key);
    if (!['text', 'exchange'].includes(row.kind)) assert.ok('error' in readValue(row.key, 'no such thing'), row.key);
  }
  assert.equal(new Set(POLICY_KEYS.map((row) => row.key)).size, POLICY_KEYS.length);
});

test('what is wrong with a policy is said where it is wrong', () => {
  assert.deepEqual(Object.keys(fromForm(emptyForm('/')).errors), ['name', 'rows']);
  const form = { ...emptyForm('/'), name: 'p', priority: 'high', rows: [{ key: 'message-ttl', text: 'soon' }, { key: 'overflow', text: 'drop-head' }, { key: 'overflow', text: 'drop-head' }] };
  assert.deepEqual(Object.keys(fromForm(form).errors).sort(), ['message-ttl', 'overflow', 'priority']);
});

test('operators are offered numbers, exchanges their own key', () => {
  assert.ok(offered({ operator: true, applyTo: 'queues' }).every((row) => row.operator));
  assert.deepEqual(offered({ operator: false, applyTo: 'exchanges' }).map((row) => row.key), ['alternate-exchange']);
  assert.equal(policyKey('ha-mode'), undefined);
});

test('changes are told by path', () => {
  assert.deepEqual(changes({ a: 1, b: { c: [1], d: 2 } }, { b: { d: 3, c: [1] }, e: null }), [
    { path: 'a', kind: 'removed', before: 1 },
    { path: 'b.d', kind: 'changed', before: 2, after: 3 },
    { path: 'e', kind: 'added', after: null },
  ]);
  assert.ok(same({ a: [{ b: 1, c: 2 }] }, { a: [{ c: 2, b: 1 }] }));
  assert.ok(!same([1, 2], [2, 1]) && !same({}, []) && !same(null, {}));
});

test('definitions are compared item by item', () => {
  const current = {
    queues: [
      { name: 'q', vhost: '/', durable: true, arguments: { 'x-queue-type': 'classic' }, exact_arguments: { x: 1 } },
      { name: 'r', vhost: '/', durable: true, arguments: { 'x-max-length': 5 } },
    ],
    users: [{ name: 'u', tags: ['monitoring'], password_hash: 'h', limits: {} }],
    bindings: [{ source: 'x', destination: 'q', destination_type: 'queue', routing_key: 'a', arguments: { m: 1, n: 2 }, vhost: '/' }],
  };
  const file = {
    queues: [
      { name: 'q', vhost: '/', durable: true, arguments: {} },
      { name: 'r', vhost: '/', durable: true, arguments: { 'x-max-length': 6 } },
      { name: 'q', vhost: 'other', durable: true, arguments: {} },
    ],
    users: [{ name: 'u', tags: 'monitoring', password_hash: 'h' }],
    bindings: [{ source: 'x', destination: 'q', destination_type: 'queue', routing_key: 'a', arguments: { n: 2, m: 1 }, vhost: '/' }],
  };
  const items = definitionsDiff(current, file);
  assert.deepEqual(items.map(({ kind, name, what }) => [kind, name, what]), [
    ['users', 'u', 'same'], ['queues', 'q', 'same'], ['queues', 'r', 'changed'], ['queues', 'q', 'added'], ['bindings', 'x → q', 'same'],
  ]);
  assert.deepEqual(items[2].changes, [{ path: 'arguments.x-max-length', kind: 'changed', before: 5, after: 6 }]);
  assert.deepEqual(tally(items), { added: 1, changed: 1, same: 3, refused: 0 });
});

test('a file of one vhost is compared with the vhost that it goes to', () => {
  const current = { queues: [{ name: 'q', vhost: 'v', durable: true }] };
  const [item] = definitionsDiff(current, { queues: [{ name: 'q', durable: true }] }, 'v');
  assert.equal(item.what, 'same');
  assert.deepEqual(definitionsDiff(current, { queues: 'no list' }), []);
});

test('an import is told as the broker tells it, with values where they can be seen', () => {
  const own = definitionsDiff({ policies: [{ name: 'p', vhost: '/', definition: { 'max-length': 1 }, pattern: 'x' }] }, { policies: [{ name: 'p', vhost: '/', definition: { 'max-length': 2 }, pattern: 'y' }] });
  const told = importOf({
    added: 1200, changed: 2, same: 5, refused: [], notes: ['queue q stays'],
    differences: [
      { change: 'changed', kind: 'policy', vhost: '/', name: 'p', fields: ['definition'] }, { change: 'added', kind: 'user', vhost: null, name: 'ann', fields: [] },
      { change: 'changed', kind: 'user', vhost: null, name: 'bob', fields: ['password'] },
    ],
  }, own);
  assert.deepEqual(told.items[0].changes, [{ path: 'definition.max-length', kind: 'changed', before: 1, after: 2 }]);
  assert.deepEqual(told.items[2].fields, ['password']);
  assert.deepEqual([told.leftOut, told.counts.same, told.notes.length], [1199, 5, 1]);
  assert.deepEqual(importOf({ refused: [{ why: 'no' }] }, []).refused, ['no']);
});

test('a preview tells what is in force, not what a policy says', () => {
  const applied = (policy, settings) => ({ policy, operator_policy: null, definition: {}, settings: Object.entries(settings).map(([name, value]) => ({ name, value })) });
  const queue = (name, more) => ({ kind: 'queue', name, matches: true, applies: true, old: applied('a', { 'x-max-length': 5 }), new: applied('b', { 'x-max-length': 9 }), ...more });
  const told = changesOf({
    queues: 3, exchanges: 1, left_out: 7, matches: [
      queue('q'), queue('own', { new: applied('b', { 'x-max-length': 5 }) }), queue('weak', { applies: false, new: applied('a', { 'x-max-length': 5 }) }), queue('left', { matches: false }),
      { kind: 'exchange', name: 'x', matches: true, applies: true, old: { policy: null, definition: {} }, new: { policy: 'b', definition: { 'alternate-exchange': 'y' } } },
    ],
  });
  assert.deepEqual(told.changed.map((one) => one.name), ['q', 'left', 'x']);
  assert.deepEqual(told.changed[0], { kind: 'queue', name: 'q', was: 'a', isLeft: false, changes: [{ path: 'max-length', kind: 'changed', before: 5, after: 9 }] });
  assert.deepEqual([told.matched, told.same, told.outranked, told.leftOut, told.changed[1].isLeft], [4, 1, 1, 7, true]);
});

test('lines of the log, newest first', () => {
  const lines = linesOf({ lines: [{ number: 1, at: 5, level: 'INFO', target: 't', message: 'one' }, { number: 2, at: 6, level: 'warn', target: 't', message: 'two' }], last: 2 });
  assert.deepEqual(lines.map(({ number, level, text }) => [number, level, text]), [[2, 'warn', 'two'], [1, 'info', 'one']]);
  assert.deepEqual(linesOf(undefined), []);
});
