/** What the topology's picture shows, from what the API says: a graph whose nodes are exchanges, queues and the consumers of a queue. */

/**
 * @typedef {object} Node
 * @property {string} id `e:NAME`, `q:NAME`, `c:QUEUE`, `m:NAME` for an exchange that is missing, `g:QUEUE` for queues that are alike, by the first of them
 * @property {'exchange'|'queue'|'consumers'|'missing'|'group'} kind
 * @property {string} name
 * @property {object} about what the API says of it; of `consumers`: their tags
 *
 * @typedef {object} Edge
 * @property {string} id
 * @property {string} from
 * @property {string} to
 * @property {'binding'|'dead-letter'|'alternate'|'consume'} kind
 * @property {string[]} labels routing keys, or a header binding's arguments
 *
 * @typedef {{nodes: Node[], edges: Edge[]}} Graph
 */

/**
 * @param {{exchanges: object[], queues: object[], bindings: object[], consumers: object[]}} objects of one vhost, as the API has them
 * @returns {Graph} in an order that depends on names alone
 */
export function graphOf({ exchanges, queues, bindings, consumers }) {
  const graph = new Builder();
  const named = exchanges.filter(({ name }) => name !== '');
  for (const exchange of named) graph.node('exchange', exchange.name, exchange);
  for (const queue of queues) graph.node('queue', queue.name, queue);
  for (const binding of bindings) addBinding(graph, binding);
  for (const exchange of named) addAlternate(graph, exchange);
  for (const queue of queues) addDeadLetters(graph, queue);
  addConsumers(graph, consumers);
  return graph.finished();
}

class Builder {
  nodes = new Map();
  edges = new Map();

  node(kind, name, about = {}) {
    const id = idOf(kind, name);
    if (!this.nodes.has(id)) this.nodes.set(id, { id, kind, name, about });
    return id;
  }

  /** Edges of a kind between the same two are one, with all their labels. */
  edge(kind, from, to, label) {
    if (!this.nodes.has(from) || !this.nodes.has(to)) return;
    const id = `${kind} ${from} > ${to}`;
    const edge = this.edges.get(id) ?? { id, kind, from, to, labels: [] };
    if (label !== undefined) edge.labels.push(label);
    this.edges.set(id, edge);
  }

  finished() {
    const byId = (a, b) => (a.id < b.id ? -1 : Number(a.id > b.id));
    return { nodes: [...this.nodes.values()].sort(byId), edges: [...this.edges.values()].sort(byId) };
  }
}

/** @returns {string} the id of a node */
export function idOf(kind, name) {
  return `${{ exchange: 'e', queue: 'q', consumers: 'c', missing: 'm', group: 'g' }[kind]}:${name}`;
}

function addBinding(graph, { source, destination, destination_type: type, routing_key: key, arguments: headers }) {
  // Every queue is bound to the default exchange.
  if (source === '') return;
  graph.edge('binding', idOf('exchange', source), idOf(type, destination), bindingLabel(key, headers));
}

/** What a binding asks for, in short. */
export function bindingLabel(key, headers = {}) {
  const conditions = Object.entries(headers).filter(([name]) => name !== 'x-match').map(([name, value]) => `${name}=${short(value)}`);
  if (conditions.length === 0) return key;
  const any = String(headers['x-match'] ?? 'all').startsWith('any');
  const joined = conditions.join(any ? ' or ' : ', ');
  return key === '' ? joined : `${key} (${joined})`;
}

const short = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

function addAlternate(graph, exchange) {
  const name = exchange.arguments?.['alternate-exchange'] ?? exchange.effective_policy_definition?.['alternate-exchange'];
  if (typeof name === 'string') graph.edge('alternate', idOf('exchange', exchange.name), target(graph, name), 'unrouted');
}

/** @returns {{exchange: string, key: string|null}|null} where a queue's dead letters go; what its arguments say counts before its policy */
export function deadLetterTarget({ arguments: own = {}, effective_policy_definition: policy = {} }) {
  const exchange = own['x-dead-letter-exchange'] ?? policy['dead-letter-exchange'];
  if (typeof exchange !== 'string') return null;
  return { exchange, key: own['x-dead-letter-routing-key'] ?? policy['dead-letter-routing-key'] ?? null };
}

function addDeadLetters(graph, queue) {
  const dead = deadLetterTarget(queue);
  if (dead === null) return;
  const from = idOf('queue', queue.name);
  // Without a key of its own a dead letter keeps the one it came with, and by the default exchange goes to whatever queue is named so.
  if (dead.exchange === '' && dead.key === null) return;
  const to = dead.exchange === '' ? idOf('queue', dead.key) : target(graph, dead.exchange);
  graph.edge('dead-letter', from, to, dead.exchange === '' ? undefined : dead.key ?? undefined);
}

function target(graph, exchange) {
  const id = idOf('exchange', exchange);
  return graph.nodes.has(id) ? id : graph.node('missing', exchange);
}

function addConsumers(graph, consumers) {
  const tags = new Map();
  for (const { queue, consumer_tag: tag } of consumers) {
    if (graph.nodes.has(idOf('queue', queue.name))) tags.set(queue.name, [...(tags.get(queue.name) ?? []), tag]);
  }
  for (const [queue, all] of tags) {
    const id = graph.node('consumers', queue, { tags: all.sort() });
    graph.edge('consume', idOf('queue', queue), id);
  }
}

/**
 * Without exchanges that have nothing to do with anything.
 * @returns {{graph: Graph, hidden: number}}
 */
export function withoutUnbound({ nodes, edges }) {
  const used = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const kept = nodes.filter(({ id, kind }) => kind !== 'exchange' || used.has(id));
  return { graph: { nodes: kept, edges }, hidden: nodes.length - kept.length };
}

/** The part of a graph from which messages come to a node, and to which they go from there. An unknown node is the whole graph. */
export function around(graph, id) {
  if (!graph.nodes.some((node) => node.id === id)) return graph;
  const kept = new Set([...reached(graph.edges, id, 'from', 'to'), ...reached(graph.edges, id, 'to', 'from')]);
  return only(graph, kept);
}

function reached(edges, start, from, to) {
  const next = new Map();
  for (const edge of edges) next.set(edge[from], [...(next.get(edge[from]) ?? []), edge[to]]);
  const seen = new Set([start]);
  for (const id of seen) for (const other of next.get(id) ?? []) seen.add(other);
  return seen;
}

/** The nodes whose name has a text in it, with their neighbours. */
export function matching(graph, text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return graph;
  const found = new Set(graph.nodes.filter(({ name }) => name.toLowerCase().includes(wanted)).map(({ id }) => id));
  const near = graph.edges.filter(({ from, to }) => found.has(from) || found.has(to)).flatMap(({ from, to }) => [from, to]);
  return only(graph, new Set([...found, ...near]));
}

/** Queues that are alike become one from this many on. */
const ALIKE_MIN = 4;

/**
 * Queues that get from the same, give their dead letters to the same, and are or are not consumed, as one node; but for those of the group that is open.
 * @returns {Graph}
 */
export function grouped(graph, open) {
  const about = new Map(graph.nodes.map((node) => [node.id, node]));
  const consumers = new Map(graph.edges.filter(({ kind }) => kind === 'consume').map(({ from, to }) => [from, to]));
  const alike = groupBy(graph.nodes.filter(({ kind }) => kind === 'queue'), ({ id }) => likenessOf(graph.edges, id));
  const became = new Map();
  const nodes = new Map();
  for (const [likeness, queues] of alike) {
    const id = idOf('group', queues[0].name);
    if (likeness === '' || queues.length < ALIKE_MIN || id === open) continue;
    nodes.set(id, { id, kind: 'group', name: commonName(queues), about: sumOf(queues) });
    queues.forEach((queue) => became.set(queue.id, id));
    joinConsumers(queues, { consumers, about, became, nodes });
  }
  const to = (id) => became.get(id) ?? id;
  const edges = new Map();
  for (const edge of graph.edges) {
    const [from, into] = [to(edge.from), to(edge.to)];
    const id = `${edge.kind} ${from} > ${into}`;
    const labels = [...(edges.get(id)?.labels ?? []), ...edge.labels];
    edges.set(id, { ...edge, id, from, to: into, labels });
  }
  const byId = (a, b) => (a.id < b.id ? -1 : Number(a.id > b.id));
  return { nodes: [...graph.nodes.filter(({ id }) => !became.has(id)), ...nodes.values()].sort(byId), edges: [...edges.values()].sort(byId) };
}

function likenessOf(edges, id) {
  const near = edges.filter((edge) => edge.from === id || edge.to === id);
  return near.map((edge) => `${edge.kind} ${edge.kind === 'consume' ? '' : edge.from === id ? `> ${edge.to}` : edge.from}`).sort().join('|');
}

function joinConsumers(queues, { consumers, about, became, nodes }) {
  const all = queues.map(({ id }) => consumers.get(id)).filter(Boolean);
  if (all.length === 0) return;
  const id = idOf('consumers', `${queues[0].name} and others`);
  nodes.set(id, { id, kind: 'consumers', name: queues[0].name, about: { tags: all.flatMap((one) => about.get(one).about.tags) } });
  all.forEach((one) => became.set(one, id));
}

/** What their names begin with. */
function commonName(queues) {
  const [first, ...others] = queues.map(({ name }) => name);
  let length = first.length;
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length -= 1;
  return length === 0 ? '' : `${first.slice(0, length)}…`;
}

function sumOf(queues) {
  const sum = (read) => queues.reduce((total, queue) => total + (read(queue.about) ?? 0), 0);
  const rates = ['publish', 'deliver_get', 'ack'].map((name) => [`${name}_details`, { rate: sum((about) => about.message_stats?.[`${name}_details`]?.rate) }]);
  return {
    names: queues.map(({ name }) => name), messages: sum(({ messages }) => messages), messages_ready: sum((about) => about.messages_ready), consumers: sum((about) => about.consumers),
    message_stats: Object.fromEntries(rates),
  };
}

/**
 * At most so many nodes: the first queues by name, and what belongs to them.
 * @returns {{graph: Graph, left: number}}
 */
export function limited(graph, max) {
  if (graph.nodes.length <= max) return { graph, left: 0 };
  const exchanges = graph.nodes.filter(({ kind }) => kind === 'exchange' || kind === 'missing').slice(0, Math.floor(max / 2));
  const kept = new Set(exchanges.map(({ id }) => id));
  for (const { kind, name } of graph.nodes) {
    if ((kind !== 'queue' && kind !== 'group') || kept.size + 2 > max) continue;
    kept.add(idOf(kind, name)).add(idOf('consumers', name));
  }
  const part = only(graph, kept);
  return { graph: part, left: graph.nodes.length - part.nodes.length };
}

function only({ nodes, edges }, kept) {
  return { nodes: nodes.filter(({ id }) => kept.has(id)), edges: edges.filter(({ from, to }) => kept.has(from) && kept.has(to)) };
}

/**
 * Messages a second along each edge. The broker counts what comes into an exchange and a queue, not by which binding: a queue with several sources
 * divides what it gets by what those sources get.
 * @param {Graph} graph
 * @returns {Map<string, {rate: number, isEstimate: boolean}>} by the edge's id
 */
export function ratesOf({ nodes, edges }) {
  const about = new Map(nodes.map((node) => [node.id, node]));
  const fed = fedByExchanges(edges, about);
  const into = (id) => fed.get(id) ?? inRate(about.get(id));
  const rates = new Map();
  for (const [to, incoming] of groupBy(edges.filter(({ kind }) => kind !== 'consume'), ({ to }) => to)) {
    // Of what a queue gets, its dead letters are what nobody acks.
    const weights = incoming.map(({ kind, from }) => (kind === 'dead-letter' ? Math.max(0, rateOf(about.get(from), 'publish') - rateOf(about.get(from), 'ack')) : into(from)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const isEstimate = incoming.length > 1 || fed.has(to);
    incoming.forEach(({ id }, at) => rates.set(id, { rate: total > 0 ? (into(to) * weights[at]) / total : 0, isEstimate }));
  }
  for (const { id, from } of edges.filter(({ kind }) => kind === 'consume')) rates.set(id, { rate: rateOf(about.get(from), 'deliver_get'), isEstimate: false });
  return rates;
}

/** Exchanges do not count what comes from other exchanges; the queues that only they feed do. */
function fedByExchanges(edges, about) {
  const bindings = edges.filter(({ kind }) => kind === 'binding');
  const sources = groupBy(bindings, ({ to }) => to);
  const fed = new Map();
  for (const { from, to } of bindings.filter((edge) => sources.get(edge.to).length === 1)) {
    const isFed = sources.get(from)?.some((edge) => about.get(edge.from).kind === 'exchange');
    if (isFed) fed.set(from, Math.max(fed.get(from) ?? inRate(about.get(from)), inRate(about.get(to))));
  }
  return fed;
}

/** Messages a second that come into a node. */
export function inRate(node) {
  if (node === undefined || node.kind === 'missing') return 0;
  return rateOf(node, node.kind === 'exchange' ? 'publish_in' : 'publish');
}

const rateOf = ({ about }, name) => about.message_stats?.[`${name}_details`]?.rate ?? 0;

function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
