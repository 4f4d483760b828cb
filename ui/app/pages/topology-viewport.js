/** What part of a large picture is seen: moved by dragging and arrow keys, made larger and smaller by the wheel, two fingers and keys. */
import { signal } from '../component.js';

const SCALE = { min: 0.1, readable: 0.6, max: 2.5, step: 1.25 };
const MARGIN = 24;
/** On the right are the buttons. */
const RIGHT = 64;
const MOVE = 60;

/** @typedef {{x: number, y: number, scale: number}} Place the picture's upper left corner in the window, and how large it is */

/** @returns {Place} the whole picture in the middle of a window, but never larger than it is, and not smaller than `least`: then its beginning */
export function fitted({ width, height }, window, least = SCALE.min) {
  const room = { width: Math.max(1, window.width - MARGIN - RIGHT), height: Math.max(1, window.height - 2 * MARGIN) };
  const scale = Math.max(least, Math.min(1, room.width / Math.max(1, width), room.height / Math.max(1, height)));
  return { scale, x: Math.max(MARGIN, (window.width - RIGHT + MARGIN - width * scale) / 2), y: Math.max(MARGIN, (window.height - height * scale) / 2) };
}

/** @returns {Place} larger by a factor, where what lies below a point stays there */
export function zoomed(place, factor, point) {
  const scale = Math.min(SCALE.max, Math.max(SCALE.min, place.scale * factor));
  const by = scale / place.scale;
  return { scale, x: point.x - (point.x - place.x) * by, y: point.y - (point.y - place.y) * by };
}

/**
 * Follows what the reader does in an element.
 * @param {() => {width: number, height: number}} sizeOf the whole picture
 */
export function viewport(sizeOf) {
  const place = signal({ x: MARGIN, y: MARGIN, scale: 1 });
  let element = null;
  let isTouched = false;
  const windowOf = () => ({ width: element?.clientWidth ?? 800, height: element?.clientHeight ?? 500 });
  const middle = () => ({ x: windowOf().width / 2, y: windowOf().height / 2 });
  const set = (next) => { isTouched = true; place.value = next; };
  const fit = () => { isTouched = true; place.value = fitted(sizeOf(), windowOf()); };
  const begin = () => { isTouched = false; place.value = fitted(sizeOf(), windowOf(), SCALE.readable); };
  const zoom = (factor, point = middle()) => set(zoomed(place.peek(), factor, point));
  const move = (dx, dy) => set({ ...place.peek(), x: place.peek().x + dx, y: place.peek().y + dy });
  const attach = (to) => {
    element = to;
    const watcher = new ResizeObserver(() => { if (!isTouched) begin(); });
    watcher.observe(element);
    const stops = [drag(element, move, zoom), wheel(element, move, zoom)];
    return () => {
      watcher.disconnect();
      stops.forEach((stop) => stop());
    };
  };
  return { place, begin, fit, zoomIn: () => zoom(SCALE.step), zoomOut: () => zoom(1 / SCALE.step), attach, onKeyDown: keys({ move, zoom, fit }) };
}

/** Positions in an element. */
const pointIn = (element, event) => {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
};

/** One pointer moves; two also make larger and smaller. A click on something within stays a click. */
function drag(element, move, zoom) {
  const pointers = new Map();
  const START = 4;
  let moved = 0;
  const onDown = (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, pointIn(element, event));
    moved = 0;
  };
  const onMove = (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = pointIn(element, event);
    moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (moved > START && !element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
    if (pointers.size === 2) pinch(pointers, event.pointerId, now, zoom);
    if (moved > START) move((now.x - before.x) / pointers.size, (now.y - before.y) / pointers.size);
    pointers.set(event.pointerId, now);
  };
  const onUp = (event) => { pointers.delete(event.pointerId); };
  const onClick = (event) => {
    if (moved <= START) return;
    event.stopPropagation();
    event.preventDefault();
    moved = 0;
  };
  const events = [['pointerdown', onDown], ['pointermove', onMove], ['pointerup', onUp], ['pointercancel', onUp]];
  events.forEach(([name, run]) => element.addEventListener(name, run));
  element.addEventListener('click', onClick, true);
  return () => {
    events.forEach(([name, run]) => element.removeEventListener(name, run));
    element.removeEventListener('click', onClick, true);
  };
}

function pinch(pointers, id, now, zoom) {
  const [[, other]] = [...pointers].filter(([key]) => key !== id);
  const distance = (a) => Math.hypot(a.x - other.x, a.y - other.y);
  const before = distance(pointers.get(id));
  if (before > 0) zoom(distance(now) / before, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
}

function wheel(element, move, zoom) {
  const onWheel = (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey) move(-(event.deltaX || event.deltaY) * lines, 0);
    else zoom(Math.exp(-event.deltaY * lines * 0.0015), pointIn(element, event));
  };
  element.addEventListener('wheel', onWheel, { passive: false });
  return () => element.removeEventListener('wheel', onWheel);
}

const ARROWS = { ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE] };

function keys({ move, zoom, fit }) {
  return (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in ARROWS) move(...ARROWS[event.key]);
    else if (event.key === '+' || event.key === '=') zoom(SCALE.step);
    else if (event.key === '-') zoom(1 / SCALE.step);
    else if (event.key === '0') fit();
    else return;
    event.preventDefault();
  };
}
