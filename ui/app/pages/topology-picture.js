/** The picture: nodes that can be clicked, and lines between them that are as wide as much goes along them. */
import { createRef, effect, html, untracked, view } from '../component.js';
import { number, plural, rate } from '../format.js';
import { query, setQuery } from '../router.js';
import { Icon } from '../parts/icon.js';
import { isStream } from './queue-problem.js';
import { NODE } from './topology-layout.js';
import { inRate } from './topology-model.js';
import { viewport } from './topology-viewport.js';

/** Edges that have their labels in the picture. With more of them nothing could be read. */
const LABELS_MAX = 80;
const LABEL_CHARS_MAX = 16;
const WIDTH = { least: 1.5, most: 11 };

export const KINDS = {
  binding: 'Binding', 'dead-letter': 'Dead letters', alternate: 'Unrouted, to the alternate exchange', consume: 'Consumed',
};

export const Picture = view(({ picture }, self) => {
  const box = self.keep('box', createRef);
  const view = self.keep('view', () => viewport(() => picture.layout.peek() ?? { width: 1, height: 1 }));
  const hovered = self.signal('hovered', null);
  self.onMount('view', () => {
    const detach = view.attach(box.current);
    const stop = effect(() => {
      picture.layout.value;
      untracked(view.begin);
    });
    return () => { detach(); stop(); };
  });
  const { nodes, edges } = picture.graph.value;
  const count = (kind) => nodes.filter((node) => node.kind === kind).length;
  const label = `${plural(count('exchange'), 'exchange')}, ${plural(count('queue'), 'queue')} and ${plural(edges.length, 'connection')} between them. The list beside the picture has the same.`;
  return html`<div class="topology-picture">
    <div class="topology-window" ref=${box} role="group" aria-label=${label} tabindex="0" onKeyDown=${view.onKeyDown}>
      <${World} ...${{ picture, view, hovered }} />
    </div>
    <div class="topology-tools" role="group" aria-label="Size">
      <button type="button" class="icon-button" aria-label="Larger" title="Larger (+)" onClick=${view.zoomIn}><${Icon} name="plus" /></button>
      <button type="button" class="icon-button" aria-label="Smaller" title="Smaller (-)" onClick=${view.zoomOut}><${Icon} name="minus" /></button>
      <button type="button" class="icon-button" aria-label="All of it" title="All of it (0)" onClick=${view.fit}><${Icon} name="fit" /></button>
    </div>
    <${Legend} />
  </div>`;
}, 'Picture');

const Legend = view(() => html`<ul class="topology-legend plain">${['binding', 'dead-letter', 'consume'].map((kind) => html`<li key=${kind}>
  <svg width="28" height="8" aria-hidden="true"><path class="edge edge-${kind} hot" d="M0 4H28" stroke-width="2.5" /></svg>${KINDS[kind]}</li>`)}</ul>`, 'Legend');

const World = view(({ picture, view, hovered }) => {
  const { x, y, scale } = view.place.value;
  const { width, height } = picture.layout.value;
  return html`<div class="topology-world" style=${{ width: `${width}px`, height: `${height}px`, transform: `translate(${x}px, ${y}px) scale(${scale})` }}>
    <${Edges} ...${{ picture, hovered }} /><${Nodes} ...${{ picture, hovered }} />
  </div>`;
}, 'World');

const Nodes = view(({ picture, hovered }) => {
  const { nodes } = picture.layout.value;
  const focus = query.value.focus;
  return html`${picture.graph.value.nodes.map((node) => html`<${Box} key=${node.id} id=${node.id} kind=${node.kind} name=${titleOf(node)} facts=${factsOf(node)} tone=${toneOf(node)}
    x=${nodes.get(node.id)?.x ?? 0} y=${nodes.get(node.id)?.y ?? 0} isFocused=${focus === node.id} hovered=${hovered} />`)}`;
}, 'Nodes');

const ICONS = { exchange: 'exchanges', queue: 'queues', group: 'queues', consumers: 'consumers', missing: 'warning' };

/** A click shows what is before and after it; another one shows everything again. */
const Box = view(({ id, kind, name, facts, tone, x, y, isFocused, hovered }) => html`<button type="button" class="node node-${kind} ${tone}" tabindex="-1" aria-pressed=${isFocused ? 'true' : 'false'}
    style=${{ left: `${x}px`, top: `${y}px`, width: `${NODE.width}px`, height: `${NODE.height}px` }} title="${name}: ${facts}"
    onClick=${() => choose(id, kind, isFocused)} onPointerEnter=${() => { hovered.value = id; }} onPointerLeave=${() => { hovered.value = null; }}>
  <${Icon} name=${ICONS[kind]} /><span class="node-text"><b class="cut">${name}</b><span class="cut">${facts}</span></span></button>`, 'Box');

/** A group opens; anything else becomes what the picture is about, or stops being it. */
export function choose(id, kind, isFocused) {
  setQuery(kind === 'group' ? { open: id } : { focus: isFocused ? '' : id, filter: '' });
}

/** @returns {string} what a node is called */
export function titleOf({ kind, name, about }) {
  if (kind === 'group') return `${number(about.names.length)} × ${name || 'queues that are alike'}`;
  if (kind !== 'consumers') return name;
  return about.tags.length === 1 ? about.tags[0] : plural(about.tags.length, 'consumer');
}

/** @returns {string} what is to be known of a node */
export function factsOf(node) {
  const { kind, about } = node;
  switch (kind) {
    case 'exchange': return `${about.type} · ${rate(inRate(node))}`;
    case 'queue':
    case 'group': if (isStream(about)) return `stream, ${number(about.messages ?? 0)} · ${rate(inRate(node))}`;
      return `${number(about.messages ?? 0)} waiting · ${rate(inRate(node))}`;
    case 'missing': return 'exchange does not exist';
    default: return about.tags.length === 1 ? '1 consumer' : `${about.tags.slice(0, 2).join(', ')}${about.tags.length > 2 ? ` and ${number(about.tags.length - 2)}` : ''}`;
  }
}

function toneOf({ kind, about }) {
  return kind === 'queue' && !isStream(about) && about.consumers === 0 && about.messages_ready > 0 ? 'node-waiting' : '';
}

const Edges = view(({ picture, hovered }) => {
  const { edges: lines, width, height } = picture.layout.value;
  const { edges } = picture.graph.value;
  const rates = picture.rates.value;
  const into = countInto(edges);
  return html`<svg class="topology-edges" width=${width} height=${height} aria-hidden="true">
    <defs>${Object.keys(KINDS).map((kind) => html`<marker key=${kind} id="arrow-${kind}" class="arrow arrow-${kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">
      <path d="M0 0 8 4 0 8Z" /></marker>`)}</defs>
    ${edges.map((edge) => html`<${Line} key=${edge.id} edge=${edge} line=${lines.get(edge.id)} rate=${rates.get(edge.id)?.rate ?? 0} isHot=${hovered.value !== null && (edge.from === hovered.value || edge.to === hovered.value)}
      label=${edges.length <= LABELS_MAX && into.get(edge.to) <= 2 ? shortLabel(edge) : ''} corner=${picture.layout.value.nodes.get(edge.from)} />`)}
  </svg>`;
}, 'Edges');

function countInto(edges) {
  const counts = new Map();
  for (const { to } of edges) counts.set(to, (counts.get(to) ?? 0) + 1);
  return counts;
}

function shortLabel({ labels }) {
  const [first = ''] = labels;
  const text = labels.length > 1 ? `${first}, +${labels.length - 1}` : first;
  return text.length > LABEL_CHARS_MAX ? `${text.slice(0, LABEL_CHARS_MAX - 1)}…` : text;
}

const Line = view(({ edge, line, rate: perSecond, isHot, label, corner }) => {
  if (line === undefined) return null;
  const d = line.points.length === 0 ? loop(corner) : curve(line.points, line.isBack);
  const end = line.points.at(-1);
  const title = [KINDS[edge.kind], edge.labels.join(', '), perSecond > 0 ? rate(perSecond) : ''].filter(Boolean).join(' · ');
  return html`<g class="edge-group ${isHot ? 'hot' : ''}"><path class="edge-hit" d=${d}><title>${title}</title></path>
    <path class="edge edge-${edge.kind} ${perSecond > 0 ? 'flows' : ''} ${isHot ? 'hot' : ''}" d=${d} stroke-width=${widthOf(perSecond).toFixed(1)} marker-end="url(#arrow-${edge.kind})" />
    ${label && end ? html`<text class="edge-label" x=${end.x + (line.isBack ? 14 : -14)} y=${end.y - 5} text-anchor=${line.isBack ? 'start' : 'end'}>${label}</text>` : null}</g>`;
}, 'Line');

/** Ten times as many messages make it as much wider each time. */
const widthOf = (perSecond) => Math.min(WIDTH.most, WIDTH.least + 2.1 * Math.log10(1 + perSecond));

/** Curves between columns, straight where it passes one. The last bit is straight, for the arrow. */
function curve(points, isBack) {
  const STRAIGHT = 10;
  const back = isBack ? -1 : 1;
  let d = `M${points[0].x} ${points[0].y}`;
  for (let at = 1; at < points.length; at += 1) {
    const [from, to] = [points[at - 1], points[at]];
    if (at % 2 === 0) d += `L${to.x} ${to.y}`;
    else {
      const end = at === points.length - 1 ? to.x - STRAIGHT * back : to.x;
      const bend = Math.abs(end - from.x) / 2;
      d += `C${from.x + bend * back} ${from.y} ${end - bend * back} ${to.y} ${end} ${to.y}L${to.x} ${to.y}`;
    }
  }
  return d;
}

/** From a node to itself: over its upper edge. */
function loop({ x, y }) {
  const right = x + NODE.width;
  return `M${right} ${y + 16}C${right + 36} ${y + 10} ${right + 20} ${y - 22} ${right - 24} ${y - 14}L${right - 30} ${y - 1}`;
}
