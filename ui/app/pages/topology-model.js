/** What the topology's picture shows, from what the API says: a graph whose nodes are exchanges, queues and the consumers of a queue. */

/**
 * @typedef {object} Node
 * @property {string} id `e:NAME`, `q:NAME`, `c:QUEUE`, `m:NAME` for an exchange that is missing
 * @property {'exchange'|'queue'|'consumers'|'missing'} kind
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
  return `${{ exchange: 'e', queue: 'q', consumers: 'c', missing: 'm' }[kind]}:${name}`;
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

/**
 * At most so many nodes: the first queues by name, and what belongs to them.
 * @returns {{graph: Graph, left: number}}
 */
export function limited(graph, max) {
  if (graph.nodes.length <= max) return { graph, left: 0 };
  const exchanges = graph.nodes.filter(({ kind }) => kind === 'exchange' || kind === 'missing').slice(0, Math.floor(max / 2));
  const kept = new Set(exchanges.map(({ id }) => id));
  for (const { kind, name } of graph.nodes) {
    if (kind !== 'queue' || kept.size + 2 > max) continue;
    kept.add(idOf('queue', name)).add(idOf('consumers', name));
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
  const rates = new Map();
  const into = (id) => inRate(about.get(id));
  const groups = groupBy(edges.filter(({ kind }) => kind !== 'consume'), ({ to }) => to);
  for (const [to, incoming] of groups) {
    const weights = incoming.map((edge) => weightOf(edge, about.get(edge.from)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    incoming.forEach((edge, at) => rates.set(edge.id, { rate: total > 0 ? (into(to) * weights[at]) / total : 0, isEstimate: incoming.length > 1 }));
  }
  for (const edge of edges.filter(({ kind }) => kind === 'consume')) {
    rates.set(edge.id, { rate: rate(about.get(edge.from).about, 'deliver_get'), isEstimate: false });
  }
  return rates;
}

/** Of what a queue gives, its dead letters are what it got and nobody acked. */
function weightOf(edge, from) {
  if (edge.kind !== 'dead-letter') return inRate(from);
  return Math.max(0, rate(from.about, 'publish') - rate(from.about, 'ack'));
}

/** Messages a second that come into a node. */
export function inRate(node) {
  if (node === undefined || node.kind === 'missing') return 0;
  return rate(node.about, node.kind === 'queue' ? 'publish' : 'publish_in');
}

const rate = (about, name) => about.message_stats?.[`${name}_details`]?.rate ?? 0;

function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
