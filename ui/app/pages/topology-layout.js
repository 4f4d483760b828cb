/**
 * Where the topology's nodes stand: in columns, messages going from left to right as far as they do not go round in circles (Sugiyama's method:
 * layers, then an order within each that crosses few edges, then heights near those of the neighbours). The same graph gives the same picture.
 */

/** Pixels. */
export const NODE = { width: 184, height: 48 };
const GAP = { column: 108, row: 18, part: 40 };
const LAYER_WIDTH = NODE.width + GAP.column;
const SWEEPS = 8;
const ALIGNMENTS = 12;
/** Parts of the picture that have nothing to do with each other stand side by side up to this width. */
const WIDTH_WANTED = 900;

/**
 * @typedef {{x: number, y: number}} Point
 * @typedef {object} Layout
 * @property {Map<string, Point>} nodes the upper left corner of each
 * @property {Map<string, {points: Point[], isBack: boolean}>} edges the points that each goes through, from its source to its target; a pair of points
 *   for each column that it passes. One from a node to itself has none.
 * @property {number} width
 * @property {number} height
 */

/**
 * @param {{nodes: {id: string}[], edges: {id: string, from: string, to: string, kind: string}[]}} graph sorted
 * @returns {Layout}
 */
export function layout(graph) {
  const parts = partsOf(graph).map(layoutPart);
  return packed(parts, graph);
}

/** Parts that no edge connects, the largest first. */
function partsOf({ nodes, edges }) {
  const root = new Map(nodes.map(({ id }) => [id, id]));
  const find = (id) => {
    let at = id;
    while (root.get(at) !== at) at = root.get(at);
    root.set(id, at);
    return at;
  };
  for (const { from, to } of edges) {
    const [a, b] = [find(from), find(to)].sort();
    root.set(b, a);
  }
  const parts = new Map();
  const part = (id) => parts.get(find(id)) ?? parts.set(find(id), { nodes: [], edges: [] }).get(find(id));
  for (const node of nodes) part(node.id).nodes.push(node);
  for (const edge of edges) part(edge.from).edges.push(edge);
  return [...parts.values()].sort((a, b) => b.nodes.length - a.nodes.length);
}

function layoutPart({ nodes, edges }) {
  const forward = withoutCycles(nodes, edges.filter(({ from, to }) => from !== to));
  const layerOf = layersOf(nodes, forward);
  const { layers, chains } = withBends(nodes, forward, layerOf);
  order(layers, chains);
  const heights = align(layers, chains);
  return placed(nodes, forward, layerOf, chains, heights);
}

/** Those that go round in circles are turned. Dead letters first: they go back by their nature. */
const RANK = { consume: 0, binding: 1, alternate: 2, 'dead-letter': 3 };

function withoutCycles(nodes, edges) {
  const next = new Map(nodes.map(({ id }) => [id, []]));
  const reaches = (from, to) => {
    const seen = new Set([from]);
    for (const id of seen) for (const other of next.get(id)) seen.add(other);
    return seen.has(to);
  };
  const ranked = [...edges].sort((a, b) => RANK[a.kind] - RANK[b.kind]);
  return ranked.map((edge) => {
    const isBack = reaches(edge.to, edge.from);
    const [left, right] = isBack ? [edge.to, edge.from] : [edge.from, edge.to];
    next.get(left).push(right);
    return { id: edge.id, left, right, isBack };
  });
}

/** As far to the left as what comes before allows; what has nothing before it stands just before what comes next. */
function layersOf(nodes, forward) {
  const layers = new Map(nodes.map(({ id }) => [id, 0]));
  const before = group(forward, 'right');
  const after = group(forward, 'left');
  for (const id of sorted(nodes, before, after)) {
    layers.set(id, Math.max(0, ...(before.get(id) ?? []).map(({ left }) => layers.get(left) + 1)));
  }
  for (const { id } of nodes) {
    if (before.has(id) || !after.has(id)) continue;
    layers.set(id, Math.min(...after.get(id).map(({ right }) => layers.get(right))) - 1);
  }
  return layers;
}

/** In an order in which everything comes after what is before it. */
function sorted(nodes, before, after) {
  const open = new Map(nodes.map(({ id }) => [id, before.get(id)?.length ?? 0]));
  const done = nodes.filter(({ id }) => open.get(id) === 0).map(({ id }) => id);
  for (const id of done) {
    for (const { right } of after.get(id) ?? []) {
      open.set(right, open.get(right) - 1);
      if (open.get(right) === 0) done.push(right);
    }
  }
  return done;
}

/** An edge over several layers gets a bend in each that it passes: a place that nothing else stands at. */
function withBends(nodes, forward, layerOf) {
  const count = Math.max(...layerOf.values()) + 1;
  const layers = Array.from({ length: count }, () => []);
  for (const { id } of nodes) layers[layerOf.get(id)].push(id);
  const chains = forward.map(({ id, left, right }) => {
    const chain = [left];
    for (let layer = layerOf.get(left) + 1; layer < layerOf.get(right); layer += 1) {
      const bend = `bend ${id} ${layer}`;
      layers[layer].push(bend);
      chain.push(bend);
    }
    return [...chain, right];
  });
  return { layers, chains };
}

/** Sorts each layer by the middle of its neighbours, there and back, and keeps what crosses least. */
function order(layers, chains) {
  const { left, right } = neighbours(chains);
  let best = layers.map((layer) => [...layer]);
  let least = crossings(best, right);
  for (let sweep = 0; sweep < SWEEPS && least > 0; sweep += 1) {
    const isThere = sweep % 2 === 0;
    const indices = [...layers.keys()].slice(1).map((index) => (isThere ? index : layers.length - 1 - index));
    for (const index of indices) {
      const beside = layers[index + (isThere ? -1 : 1)];
      sortByMiddle(layers[index], beside, isThere ? left : right);
    }
    const count = crossings(layers, right);
    if (count < least) [least, best] = [count, layers.map((layer) => [...layer])];
  }
  best.forEach((layer, index) => { layers[index] = layer; });
}

function sortByMiddle(layer, beside, neighbour) {
  const place = new Map(beside.map((id, index) => [id, index]));
  const middle = new Map(layer.map((id, index) => {
    const places = (neighbour.get(id) ?? []).map((other) => place.get(other));
    // One without neighbours keeps its place.
    return [id, places.length === 0 ? index : places.reduce((sum, at) => sum + at, 0) / places.length];
  }));
  const before = new Map(layer.map((id, index) => [id, index]));
  layer.sort((a, b) => middle.get(a) - middle.get(b) || before.get(a) - before.get(b));
}

function crossings(layers, right) {
  let count = 0;
  for (let index = 0; index + 1 < layers.length; index += 1) {
    const place = new Map(layers[index + 1].map((id, at) => [id, at]));
    const ends = layers[index].flatMap((id) => (right.get(id) ?? []).map((other) => place.get(other)).sort((a, b) => a - b));
    count += inversions(ends, layers[index + 1].length);
  }
  return count;
}

/** Pairs that are in the wrong order, counted with a Fenwick tree. */
function inversions(numbers, size) {
  const tree = new Array(size + 1).fill(0);
  let count = 0;
  numbers.forEach((number, seen) => {
    let smaller = 0;
    for (let at = number + 1; at > 0; at -= at & -at) smaller += tree[at];
    count += seen - smaller;
    for (let at = number + 1; at <= size; at += at & -at) tree[at] += 1;
  });
  return count;
}

/** Heights near the mean of the neighbours', none closer to the next than it may be. */
function align(layers, chains) {
  const { left, right } = neighbours(chains);
  const heights = new Map();
  for (const layer of layers) {
    let y = 0;
    for (const id of layer) {
      heights.set(id, y);
      y += spaceOf(id);
    }
  }
  for (let round = 0; round < ALIGNMENTS; round += 1) {
    const indices = round % 2 === 0 ? [...layers.keys()] : [...layers.keys()].reverse();
    for (const index of indices) alignLayer(layers[index], heights, left, right);
  }
  const top = Math.min(...heights.values());
  for (const [id, y] of heights) heights.set(id, Math.round(y - top));
  return heights;
}

const isBend = (id) => id.startsWith('bend ');
/** From its middle line to the next one's. */
const spaceOf = (id) => (isBend(id) ? NODE.height / 2 + GAP.row : NODE.height + GAP.row);

/** The nearest heights to those wanted that keep order and distance: neighbours that want to be in each other's place share the mean. */
function alignLayer(layer, heights, left, right) {
  const blocks = [];
  let offset = 0;
  for (const id of layer) {
    const others = [...(left.get(id) ?? []), ...(right.get(id) ?? [])];
    const wanted = others.length === 0 ? heights.get(id) : others.reduce((sum, other) => sum + heights.get(other), 0) / others.length;
    blocks.push({ sum: wanted - offset, count: 1, ids: [[id, offset]] });
    offset += spaceOf(id);
    while (blocks.length > 1 && mean(blocks.at(-2)) > mean(blocks.at(-1))) {
      const last = blocks.pop();
      const block = blocks.at(-1);
      block.sum += last.sum;
      block.count += last.count;
      block.ids.push(...last.ids);
    }
  }
  for (const block of blocks) for (const [id, at] of block.ids) heights.set(id, mean(block) + at);
}

const mean = ({ sum, count }) => sum / count;

function placed(nodes, forward, layerOf, chains, heights) {
  const at = (id, layer) => ({ x: layer * LAYER_WIDTH, y: heights.get(id) });
  const corners = new Map(nodes.map(({ id }) => [id, at(id, layerOf.get(id))]));
  const ports = portsOf(forward, chains, heights);
  const edges = new Map(forward.map(({ id, left, isBack }, index) => {
    const points = pointsOf(chains[index], layerOf.get(left), heights, ports.get(id));
    return [id, { points: isBack ? points.reverse() : points, isBack }];
  }));
  const width = Math.max(...[...corners.values()].map(({ x }) => x)) + NODE.width;
  const height = Math.max(...heights.values()) + NODE.height;
  return { corners, edges, width, height };
}

/** Where on a node's side each edge begins and ends: one below the other, in the order of where they go. */
function portsOf(forward, chains, heights) {
  const ports = new Map(forward.map(({ id }) => [id, { left: 0, right: 0 }]));
  const spread = (side, end, beside) => {
    for (const indices of group(forward.map(({ [side]: node }, index) => ({ node, index })), 'node').values()) {
      const ends = indices.map(({ index }) => ({ id: forward[index].id, y: heights.get(chains[index].at(beside)) })).sort((a, b) => a.y - b.y);
      const step = Math.min(12, (NODE.height - 16) / Math.max(1, ends.length - 1));
      ends.forEach(({ id }, at) => { ports.get(id)[end] = (at - (ends.length - 1) / 2) * step; });
    }
  };
  spread('left', 'left', 1);
  spread('right', 'right', -2);
  return ports;
}

function pointsOf(chain, firstLayer, heights, port) {
  const middle = (id) => heights.get(id) + NODE.height / 2;
  return chain.flatMap((id, step) => {
    const x = (firstLayer + step) * LAYER_WIDTH;
    if (step === 0) return [{ x: x + NODE.width, y: middle(id) + port.left }];
    if (step === chain.length - 1) return [{ x, y: middle(id) + port.right }];
    return [{ x, y: middle(id) }, { x: x + NODE.width, y: middle(id) }];
  });
}

/** Parts in rows, as many side by side as have room. */
function packed(parts, { edges: all }) {
  const wanted = Math.max(WIDTH_WANTED, ...parts.map(({ width }) => width));
  const result = { nodes: new Map(), edges: new Map(), width: 0, height: 0 };
  let [x, y, rowHeight] = [0, 0, 0];
  for (const part of parts) {
    if (x > 0 && x + part.width > wanted) [x, y, rowHeight] = [0, y + rowHeight + GAP.part, 0];
    const move = (point) => ({ x: point.x + x, y: point.y + y });
    for (const [id, corner] of part.corners) result.nodes.set(id, move(corner));
    for (const [id, { points, isBack }] of part.edges) result.edges.set(id, { points: points.map(move), isBack });
    result.width = Math.max(result.width, x + part.width);
    result.height = Math.max(result.height, y + part.height);
    x += part.width + GAP.part;
    rowHeight = Math.max(rowHeight, part.height);
  }
  for (const { id, from, to } of all) if (from === to) result.edges.set(id, { points: [], isBack: true });
  return result;
}

function neighbours(chains) {
  const [left, right] = [new Map(), new Map()];
  const add = (map, id, other) => { (map.get(id) ?? map.set(id, []).get(id)).push(other); };
  for (const chain of chains) {
    for (let at = 1; at < chain.length; at += 1) {
      add(left, chain[at], chain[at - 1]);
      add(right, chain[at - 1], chain[at]);
    }
  }
  return { left, right };
}

function group(items, key) {
  const groups = new Map();
  for (const item of items) (groups.get(item[key]) ?? groups.set(item[key], []).get(item[key])).push(item);
  return groups;
}
