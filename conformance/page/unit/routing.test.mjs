import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outcomeOf } from '../../../ui/app/pages/routing-answer.js';
import { explain, explainDirect, explainHeaders, explainTopic } from '../../../ui/app/pages/routing-match.js';

test('topic patterns: what fits, and why not', () => {
  const cases = [
    ['eu.*', 'eu.paid', null],
    ['eu.#', 'eu', null],
    ['#', '', null],
    ['#.paid', 'eu.orders.paid', null],
    ['a.#.b.#', 'a.x.b', null],
    ['*', '', null],
    ['eu.*', 'eu.orders.paid', "The key has 3 words, the pattern wants 2."],
    ['eu.*.paid', 'eu.paid', 'The key has 2 words, the pattern wants 3.'],
    ['eu.*', 'us.paid', "Word 1 is 'us', not 'eu'."],
    ['eu.paid', 'us.created', "Word 1 is 'us', not 'eu', and word 2 is 'created', not 'paid'."],
    ['eu.*.#', 'eu', 'The key has 1 word, the pattern wants at least 2.'],
    ['#.paid', 'eu.created', "Word 2 is 'created', not 'paid'."],
    ['#.a.#.b.#', 'x.b.a', "Word 1 is 'x', not 'a'."],
  ];
  for (const [pattern, key, why] of cases) {
    const found = explainTopic(pattern, key);
    assert.equal(found.isMatch, why === null, `${pattern} ${key}`);
    if (why !== null) assert.equal(found.why, why);
    assert.equal(found.distance === 0, found.isMatch);
    assert.equal(found.parts.map(({ text }) => text).join('.'), pattern);
  }
  assert.deepEqual(explainTopic('eu.*.paid', 'us.x.paid').parts, [{ text: 'eu', fits: false }, { text: '*', fits: true }, { text: 'paid', fits: true }]);
});

/** By the meaning of the protocol, word by word. */
function matches([pattern, ...patterns], words) {
  if (pattern === undefined) return words.length === 0;
  if (pattern === '#') return matches(patterns, words) || (words.length > 0 && matches([pattern, ...patterns], words.slice(1)));
  return words.length > 0 && (pattern === '*' || pattern === words[0]) && matches(patterns, words.slice(1));
}

test('topic patterns: all short ones against all short keys', () => {
  const all = (letters, length) => (length === 0 ? [[]] : all(letters, length - 1).flatMap((rest) => letters.map((letter) => [letter, ...rest])));
  const keys = [1, 2, 3].flatMap((length) => all(['a', 'b'], length));
  const patterns = [1, 2, 3, 4].flatMap((length) => all(['a', 'b', '*', '#'], length));
  for (const pattern of patterns) {
    for (const key of keys) {
      const found = explainTopic(pattern.join('.'), key.join('.'));
      assert.equal(found.isMatch, matches(pattern, key), `${pattern.join('.')} ${key.join('.')}`);
      assert.ok(found.why.length > 10);
    }
  }
});

test('direct keys', () => {
  assert.ok(explainDirect('a', 'a').isMatch);
  assert.equal(explainDirect('Orders', 'orders').why, 'They differ only in capitals.');
  assert.equal(explainDirect('orders ', 'orders').why, 'They differ only in spaces at the ends.');
  assert.equal(explainDirect('orders', 'order').why, "The key is 'order', the binding wants 'orders'.");
  assert.equal(explainDirect('orders', 'order').distance, 1);
  assert.equal(explainDirect('', 'abc').distance, 3);
});

test('headers', () => {
  const cases = [
    [{ a: 1 }, { a: 1, b: 2 }, null],
    [{}, {}, null],
    [{ a: null }, { a: 'anything' }, null],
    [{ 'x-match': 'any', a: 1, b: 2 }, { b: 2 }, null],
    [{ 'x-match': 'all', 'x-own': 1, a: 1 }, { a: 1 }, null],
    [{ 'x-match': 'all-with-x', 'x-own': 1 }, {}, 'There is no header x-own.'],
    [{ a: 'eu' }, { a: 'us' }, 'Header a is "us", not "eu".'],
    [{ a: 1 }, { a: '1' }, 'Header a is "1", not 1.'],
    [{ a: 1, b: 2 }, { b: 3 }, 'There is no header a, and header b is 3, not 2.'],
    [{ 'x-match': 'any', a: 1, b: 2 }, {}, 'There is no header a, there is no header b.'],
    [{ 'x-match': 'any' }, { a: 1 }, 'It has no condition, and any of them is to fit.'],
  ];
  for (const [conditions, headers, why] of cases) {
    const found = explainHeaders(conditions, headers);
    assert.equal(found.isMatch, why === null, JSON.stringify([conditions, headers]));
    if (why !== null) assert.equal(found.why, why);
  }
});

test('other exchanges do not choose by key or headers', () => {
  assert.ok(explain('fanout', { routing_key: 'x' }, 'y').isMatch);
  assert.equal(explain('x-consistent-hash', { routing_key: '10' }, 'y'), null);
  assert.ok(explain('headers', { routing_key: '', arguments: { a: 1 } }, '', { a: 1 }).isMatch);
});

test('what the broker says is told exchange by exchange', () => {
  const binding = (source, destination, more = {}) => ({ source, destination, destination_type: 'queue', routing_key: 'k', arguments: {}, ...more });
  const step = (exchange, more = {}) => ({ exchange, routes_as: 'topic', via: 'publish', from: null, waits_ms: null, matched: 1, is_chance: false, unmatched: 0, not_looked_at: 0, alternate: null, ...more });
  const outcome = outcomeOf({
    queues: ['b', 'a'], matches: [binding('in', 'copy', { destination_type: 'exchange' }), binding('copy', 'a'), binding('copy', 'b')], near_misses: [binding('in', 'c', { why: 'no' })],
    alternate_exchange: null, steps: [step('in'), step('copy', { via: 'binding', from: 'in', matched: 2, is_chance: true, waits_ms: 500 }), step('in', { via: 'binding', from: 'copy' })],
  });
  assert.deepEqual(outcome.queues, ['a', 'b']);
  assert.deepEqual(outcome.stations.map(({ exchange, hits, misses }) => [exchange, hits.length, misses.length]), [['in', 1, 1], ['copy', 2, 0]]);
  assert.equal(outcome.stations[0].misses[0].why, 'no');
  assert.deepEqual(outcome.stations[1].notes, ['It comes here from in.', 'It waits here for 500 ms first.', 'It goes to one of those that take it, not to all.']);
  const lost = outcomeOf({ queues: [], matches: [], near_misses: [], steps: [step('in', { matched: 0, alternate: { name: 'gone', is_there: false } })] });
  assert.deepEqual(lost.stations[0].notes, ['No binding takes it, and the alternate exchange gone does not exist.']);
});
