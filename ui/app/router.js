/**
 * Addresses: `#/queues/%2F/orders?tab=unacked`. All that a page shows can be told by its address, so that it can be sent to somebody.
 */
import { computed, signal } from './component.js';

const routes = [];

const read = () => {
  const hash = location.hash.replace(/^#/, '') || '/';
  const mark = hash.indexOf('?');
  const path = mark < 0 ? hash : hash.slice(0, mark);
  return { path: path.startsWith('/') ? path : `/${path}`, search: mark < 0 ? '' : hash.slice(mark + 1) };
};

const place = signal(read());
addEventListener('hashchange', () => {
  const now = read();
  if (now.path !== place.value.path || now.search !== place.value.search) place.value = now;
});

/** The path, still encoded: `/queues/%2F/orders`. */
export const path = computed(() => place.value.path);
const search = computed(() => place.value.search);

/** What stands behind the question mark: `query.value.tab`. Every value is a string. */
export const query = computed(() => Object.fromEntries(new URLSearchParams(search.value)));

/**
 * Registers a page. `pattern` is like `/queues/:vhost/:name`; `load` imports its module, whose `default` is a component that is given
 * `params`.
 */
export function route(pattern, load) {
  routes.push({ parts: pattern.split('/').slice(1), pattern, load });
}

/** The route that the address means, with its parameters decoded; `null` if there is none. */
export const current = computed(() => {
  const parts = path.value.replace(/\/$/, '').split('/').slice(1);
  const wanted = parts.length ? parts : [''];
  for (const candidate of routes) {
    const params = match(candidate.parts, wanted);
    if (params) return { ...candidate, params, key: path.value };
  }
  return null;
});

function match(pattern, parts) {
  if (pattern.length !== parts.length) return null;
  const params = {};
  for (const [i, part] of pattern.entries()) {
    if (part.startsWith(':')) {
      try {
        params[part.slice(1)] = decodeURIComponent(parts[i]);
      } catch {
        return null;
      }
    } else if (part !== parts[i]) {
      return null;
    }
  }
  return params;
}

const encode = (part) => encodeURIComponent(part).replace(/%3A/g, ':').replace(/%40/g, '@');

function address(parts, values) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values ?? {})) {
    if (value !== undefined && value !== null && value !== '' && value !== false) params.set(key, String(value));
  }
  const text = params.toString().replace(/\+/g, '%20');
  const where = Array.isArray(parts) ? `/${parts.map(encode).join('/')}` : parts;
  return `#${where}${text ? `?${text}` : ''}`;
}

/** The `href` of a page: `link(['queues', vhost, name], { tab: 'unacked' })`. Empty values are left out. */
export const link = (parts, values) => address(parts, values);

/** Goes to a page. */
export function go(parts, values) {
  location.hash = address(parts, values);
}

/** Changes some of the query and keeps the rest; `''` or `undefined` takes one out. `replace` leaves no entry to go back to. */
export function setQuery(changes, { replace = false } = {}) {
  const to = address(path.value, { ...query.value, ...changes });
  if (to === location.hash) return;
  if (replace) {
    history.replaceState(null, '', to);
    place.value = read();
  } else {
    location.hash = to;
  }
}
