import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NODE, layout } from '../../../ui/app/pages/topology-layout.js';
import { around, bindingLabel, deadLetterTarget, graphOf, grouped, limited, matching, ratesOf, withoutUnbound } from '../../../ui/app/pages/topology-model.js';

const exchange = (name, more = {}) => ({ name, type: 'topic', arguments: {}, ...more });
const queue = (name, args = {}, more = {}) => ({ name, arguments: args, ...more });
const bound = (source, destination, key = '', more = {}) => ({ source, destination, destination_type: 'queue', routing_key: key, arguments: {}, ...more });
const rate = (name, number) => ({ message_stats: { [`${name}_details`]: { rate: number } } });

const SHOP = {
  exchanges: [exchange(''), exchange('orders', rate('publish_in', 30)), exchange('dead', rate('publish_in', 4)), exchange('amq.topic'), exchange('audit')],
  queues: [
    queue('eu', { 'x-dead-letter-exchange': 'dead' }, { message_stats: { publish_details: { rate: 10 }, deliver_get_details: { rate: 8 }, ack_details: { rate: 7 } } }),
    queue('us', {}, { effective_policy_definition: { 'dead-letter-exchange': '', 'dead-letter-routing-key': 'us' } }),
    queue('graves', { 'x-dead-letter-exchange': 'gone' }, rate('publish', 4)),
  ],
  bindings: [
    bound('', 'eu', 'eu'), bound('orders', 'eu', 'eu.*'), bound('orders', 'eu', 'uk.*'), bound('dead', 'graves'),
    bound('orders', 'audit', '#', { destination_type: 'exchange' }), bound('orders', 'no such queue'),
  ],
  consumers: [{ queue: { name: 'eu' }, consumer_tag: 'b' }, { queue: { name: 'eu' }, consumer_tag: 'a' }],
};

test('the graph has what the API has', () => {
  const { nodes, edges } = graphOf(SHOP);
  assert.deepEqual(nodes.map(({ id }) => id), ['c:eu', 'e:amq.topic', 'e:audit', 'e:dead', 'e:orders', 'm:gone', 'q:eu', 'q:graves', 'q:us']);
  assert.deepEqual(edges.map(({ kind, from, to }) => [kind, from, to]), [
    ['binding', 'e:dead', 'q:graves'], ['binding', 'e:orders', 'e:audit'], ['binding', 'e:orders', 'q:eu'],
    ['consume', 'q:eu', 'c:eu'],
    ['dead-letter', 'q:eu', 'e:dead'], ['dead-letter', 'q:graves', 'm:gone'], ['dead-letter', 'q:us', 'q:us'],
  ]);
  assert.deepEqual(edges.find(({ to }) => to === 'q:eu').labels, ['eu.*', 'uk.*']);
  assert.deepEqual(nodes[0].about.tags, ['a', 'b']);
});

test('a dead-letter exchange comes from an argument before a policy', () => {
  const both = queue('q', { 'x-dead-letter-exchange': 'a' }, { effective_policy_definition: { 'dead-letter-exchange': 'b', 'dead-letter-routing-key': 'k' } });
  assert.deepEqual(deadLetterTarget(both), { exchange: 'a', key: 'k' });
  assert.equal(deadLetterTarget(queue('q')), null);
});

test('an alternate exchange is an edge', () => {
  const { edges } = graphOf({ exchanges: [exchange('a', { arguments: { 'alternate-exchange': 'b' } }), exchange('b')], queues: [], bindings: [], consumers: [] });
  assert.deepEqual(edges.map(({ kind, from, to }) => [kind, from, to]), [['alternate', 'e:a', 'e:b']]);
});

test('bindings are named by what they ask for', () => {
  assert.equal(bindingLabel('eu.*'), 'eu.*');
  assert.equal(bindingLabel('', { 'x-match': 'any', a: 1, b: 'x' }), 'a=1 or b=x');
  assert.equal(bindingLabel('k', { a: true }), 'k (a=true)');
});

test('parts of a graph', () => {
  const graph = graphOf(SHOP);
  assert.equal(withoutUnbound(graph).hidden, 1);
  assert.deepEqual(around(graph, 'q:eu').nodes.map(({ id }) => id), ['c:eu', 'e:dead', 'e:orders', 'm:gone', 'q:eu', 'q:graves']);
  assert.equal(around(graph, 'q:unknown'), graph);
  assert.deepEqual(matching(graph, 'GRAVE').nodes.map(({ id }) => id), ['e:dead', 'm:gone', 'q:graves']);
  assert.equal(matching(graph, ' '), graph);
  const few = limited(graph, 6);
  assert.ok(few.graph.nodes.length <= 6);
  assert.equal(few.graph.nodes.length + few.left, graph.nodes.length);
});

test('rates along edges add up to what comes in', () => {
  const rates = ratesOf(graphOf(SHOP));
  const one = (part) => [...rates].find(([id]) => id.includes(part))[1];
  assert.deepEqual(one('binding e:orders > q:eu'), { rate: 10, isEstimate: false });
  assert.deepEqual(one('consume q:eu'), { rate: 8, isEstimate: false });
  assert.deepEqual(one('dead-letter q:eu'), { rate: 4, isEstimate: false });
  const shared = graphOf({
    exchanges: [exchange('a', rate('publish_in', 30)), exchange('b', rate('publish_in', 10))], queues: [queue('q', {}, rate('publish', 8))],
    bindings: [bound('a', 'q'), bound('b', 'q')], consumers: [],
  });
  assert.deepEqual([...ratesOf(shared).values()], [{ rate: 6, isEstimate: true }, { rate: 2, isEstimate: true }]);
});

test('queues that are alike are one, unless they are opened', () => {
  const names = ['jobs.a', 'jobs.b', 'jobs.c', 'jobs.d'];
  const graph = graphOf({
    exchanges: [exchange('in'), exchange('dead')], bindings: [...names, 'other'].map((name) => bound('in', name, name)),
    queues: [...names.map((name) => queue(name, { 'x-dead-letter-exchange': 'dead' }, { messages: 2, ...rate('publish', 3) })), queue('other')],
    consumers: names.map((name) => ({ queue: { name }, consumer_tag: `of ${name}` })),
  });
  const few = grouped(graph);
  assert.deepEqual(few.nodes.map(({ id }) => id), ['c:jobs.a and others', 'e:dead', 'e:in', 'g:jobs.a', 'q:other']);
  const group = few.nodes[3];
  assert.equal(group.name, 'jobs.…');
  assert.equal(group.about.messages, 8);
  assert.deepEqual(few.edges.map(({ kind, from, to }) => [kind, from, to]), [
    ['binding', 'e:in', 'g:jobs.a'], ['binding', 'e:in', 'q:other'], ['consume', 'g:jobs.a', 'c:jobs.a and others'], ['dead-letter', 'g:jobs.a', 'e:dead'],
  ]);
  assert.deepEqual(few.edges[0].labels, names);
  assert.equal(ratesOf(few).get('binding e:in > g:jobs.a').rate, 0);
  assert.deepEqual(grouped(graph, 'g:jobs.a'), graph);
});

test('what an exchange gets from another one is told by the queues that only it feeds', () => {
  const graph = graphOf({
    exchanges: [exchange('in', rate('publish_in', 20)), exchange('copy')], queues: [queue('all', {}, rate('publish', 20)), queue('some', {}, rate('publish', 5))],
    bindings: [bound('in', 'copy', '#', { destination_type: 'exchange' }), bound('copy', 'all'), bound('copy', 'some'), bound('in', 'some')], consumers: [],
  });
  const rates = ratesOf(graph);
  assert.deepEqual(rates.get('binding e:in > e:copy'), { rate: 20, isEstimate: true });
  assert.deepEqual(rates.get('binding e:copy > q:all'), { rate: 20, isEstimate: false });
});

test('messages go from left to right', () => {
  const graph = graphOf(SHOP);
  const { nodes, edges } = layout(graph);
  const x = (id) => nodes.get(id).x;
  assert.ok(x('e:orders') < x('q:eu') && x('q:eu') < x('c:eu') && x('q:eu') < x('e:dead') && x('e:dead') < x('q:graves'));
  assert.deepEqual(edges.get('dead-letter q:us > q:us'), { points: [], isBack: true });
});

test('a circle is drawn with its dead letters going back', () => {
  const graph = graphOf({
    exchanges: [exchange('work'), exchange('retry')], queues: [queue('jobs', { 'x-dead-letter-exchange': 'retry' }), queue('wait', { 'x-dead-letter-exchange': 'work' })],
    bindings: [bound('work', 'jobs'), bound('retry', 'wait')], consumers: [],
  });
  const { edges } = layout(graph);
  assert.deepEqual([...edges].filter(([, { isBack }]) => isBack).map(([id]) => id), ['dead-letter q:wait > e:work']);
  const { points } = edges.get('dead-letter q:wait > e:work');
  assert.ok(points[0].x > points.at(-1).x);
  assert.equal(points.length, 6);
});

/** Random graphs, some of them large, with circles. */
function randomGraph(seed, size) {
  let state = seed;
  const random = (limit) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * limit);
  };
  const exchanges = Array.from({ length: 1 + random(size / 4) }, (_, at) => exchange(`e${at}`));
  const anExchange = () => exchanges[random(exchanges.length)].name;
  const queues = Array.from({ length: 1 + random(size / 2) }, (_, at) => queue(`q${at}`, random(2) ? { 'x-dead-letter-exchange': anExchange() } : {}));
  const aQueue = () => queues[random(queues.length)].name;
  const bindings = Array.from({ length: random(size) }, () => (random(5) ? bound(anExchange(), aQueue()) : bound(anExchange(), anExchange(), '', { destination_type: 'exchange' })));
  const consumers = queues.filter(() => random(2)).map(({ name }) => ({ queue: { name }, consumer_tag: 't' }));
  return graphOf({ exchanges, queues, bindings, consumers });
}

test('no two nodes overlap, all edges begin and end at theirs, and the same graph gives the same picture', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const graph = randomGraph(seed, 4 + seed * 2);
    const picture = layout(graph);
    const boxes = graph.nodes.map(({ id }) => picture.nodes.get(id));
    for (const [index, a] of boxes.entries()) {
      assert.ok(a.x >= 0 && a.y >= 0 && a.x + NODE.width <= picture.width && a.y + NODE.height <= picture.height);
      for (const b of boxes.slice(index + 1)) {
        assert.ok(Math.abs(a.x - b.x) >= NODE.width || Math.abs(a.y - b.y) >= NODE.height, `${JSON.stringify(a)} ${JSON.stringify(b)}`);
      }
    }
    for (const { id, from, to } of graph.edges) {
      const { points, isBack } = picture.edges.get(id);
      if (from === to) continue;
      const touches = (point, node, right) => point.x === node.x + (right ? NODE.width : 0) && point.y >= node.y && point.y <= node.y + NODE.height;
      assert.ok(touches(points[0], picture.nodes.get(from), !isBack), id);
      assert.ok(touches(points.at(-1), picture.nodes.get(to), isBack), id);
    }
    assert.deepEqual(layout(structuredClone(graph)), picture);
  }
});

test('three hundred nodes are laid out at once', () => {
  const { graph, left } = limited(randomGraph(11, 1200), 300);
  assert.ok(graph.nodes.length > 250 && left > 0, `${graph.nodes.length} of ${left} more`);
  const begin = performance.now();
  layout(graph);
  assert.ok(performance.now() - begin < 2000);
});

test('an empty vhost has an empty picture', () => {
  assert.deepEqual(layout(graphOf({ exchanges: [], queues: [], bindings: [], consumers: [] })), { nodes: new Map(), edges: new Map(), width: 0, height: 0 });
});
