/** Our own small pictures: 16 x 16, drawn with lines in the colour of the text. Hidden from screen readers: the text beside them says it. */
import { html } from '../component.js';

const PATHS = {
  overview: 'M2 8.5 8 3l6 5.5M4 7.5V13h8V7.5',
  queues: 'M2.5 3.5h11v2.5h-11zM2.5 8h11v2.5h-11zM2.5 12.5h11',
  exchanges: 'M2 8h4M10 4h4M10 8h4M10 12h4M6 8l4-4M6 8h4M6 8l4 4',
  topology: 'M2.5 6.5h3v3h-3zM10.5 2.5h3v3h-3zM10.5 10.5h3v3h-3zM5.5 8h2.5v-4h2.5M8 8v4h2.5',
  routing: 'M2 4h4l4 8h4M2 12h4l1-2M9 6l1-2h4M12.5 2.5 14 4l-1.5 1.5M12.5 10.5 14 12l-1.5 1.5',
  failures: 'M8 2.5 14.5 13.5h-13zM8 6.5v3.5M8 11.6v.4',
  connections: 'M6 4v3a2 2 0 0 0 4 0V4M8 9v5M6.5 2v2M9.5 2v2M5 4h6',
  channels: 'M2.5 5h11M2.5 8h11M2.5 11h11',
  consumers: 'M8 2v7M5 6.5 8 9.5l3-3M2.5 10.5v3h11v-3',
  portability: 'M2.5 5.5h9M8.5 2.5l3 3-3 3M13.5 10.5h-9M7.5 7.5l-3 3 3 3',
  recorder: 'M8 2.5a5.5 5.5 0 1 0 .01 0M8 6a2 2 0 1 0 .01 0',
  admin: 'M2 4.5h6M11 4.5h3M2 11.5h3M8 11.5h6M9.5 3v3M6.5 10v3',
  ready: 'M8 5a3 3 0 1 0 .01 0',
  unacked: 'M8 3.5a4.5 4.5 0 1 0 .01 0M8 3.5v9',
  delayed: 'M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3l2 1.5',
  parked: 'M5.5 3.5v9M10.5 3.5v9',
  search: 'M7 2.5a4.5 4.5 0 1 0 .01 0M10.3 10.3 14 14',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  more: 'M2.6 8a.6.6 0 1 0 1.2 0a.6.6 0 1 0-1.2 0M7.4 8a.6.6 0 1 0 1.2 0a.6.6 0 1 0-1.2 0M12.2 8a.6.6 0 1 0 1.2 0a.6.6 0 1 0-1.2 0',
  down: 'M4 6l4 4 4-4',
  up: 'M4 10l4-4 4 4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4 6 8l4 4',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  check: 'M3 8.5 6.5 12 13 4.5',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  trash: 'M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.7 7v4M9.3 7v4',
  move: 'M2 8h11M9.5 4.5 13 8l-3.5 3.5',
  replay: 'M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3',
  send: 'M2 8 14 2.5 9.5 14 7.5 9z',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  code: 'M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5',
  sun: 'M8 5.5a2.5 2.5 0 1 0 .01 0M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1',
  moon: 'M13 9.8A5.5 5.5 0 0 1 6.2 3a5.5 5.5 0 1 0 6.8 6.8z',
  system: 'M2.5 3h11v7.5h-11zM6 13.5h4M8 10.5v3',
  logout: 'M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.5 12.5 8 5 12.5z',
  info: 'M8 2a6 6 0 1 0 .01 0M8 7.3v4M8 4.8v.4',
  warning: 'M8 2.5 14.5 13.5h-13zM8 6.5v3.5M8 11.6v.4',
  ok: 'M8 2a6 6 0 1 0 .01 0M5.3 8.2l2 2 3.5-4',
  error: 'M5.3 2h5.4L14 5.3v5.4L10.7 14H5.3L2 10.7V5.3zM8 5v3.6M8 10.8v.4',
  edit: 'M3 13l.7-3L11 2.7l2.3 2.3L6 12.3z',
  download: 'M8 2.5v7.5M5 7l3 3 3-3M2.5 13.5h11',
  upload: 'M8 10V2.5M5 5.5l3-3 3 3M2.5 13.5h11',
  lock: 'M3.5 7.5h9v6h-9zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5',
  user: 'M8 2.5a2.5 2.5 0 1 0 .01 0M3 13.5a5 5 0 0 1 10 0',
  menu: 'M2.5 4h11M2.5 8h11M2.5 12h11',
  external: 'M6 3.5H2.5v10h10V10M9 2.5h4.5V7M13.5 2.5 7.5 8.5',
  fit: 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10',
  filter: 'M2 3.5h12l-4.7 5.5v4l-2.6-1.3V9z',
};

/** @param {{name: keyof typeof PATHS, label?: string}} props `label`: said aloud, where no text stands beside it */
export function Icon({ name, label }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5"
    stroke-linecap="round" stroke-linejoin="round" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}>
    <path d=${PATHS[name] ?? PATHS.info} /></svg>`;
}
