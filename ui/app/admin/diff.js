/**
 * What differs between two pieces of JSON, and between two sets of definitions. Pure.
 * @typedef {{path: string, kind: 'added' | 'removed' | 'changed', before?: any, after?: any}} Change
 * @typedef {{kind: string, vhost: string | null, name: string, what: 'added' | 'changed' | 'same', changes: Change[]}} DiffItem
 */

/**
 * What differs, in the order of the paths.
 * @param {any} before
 * @param {any} after
 * @param {string} [path]
 * @returns {Change[]}
 */
export function changes(before, after, path = '') {
  if (same(before, after)) return [];
  if (before === undefined) return [{ path, kind: 'added', after }];
  if (after === undefined) return [{ path, kind: 'removed', before }];
  if (!isPlain(before) || !isPlain(after)) return [{ path, kind: 'changed', before, after }];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return keys.flatMap((key) => changes(before[key], after[key], path === '' ? key : `${path}.${key}`));
}

/**
 * Whether two values are the same JSON, whichever order keys have.
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function same(one, other) {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => same(item, other[index]));
  }
  if (!isPlain(one) || !isPlain(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && same(one[key], other[key]));
}

function isPlain(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The parts of a definitions file, in the order in which a reader wants them, with what names an item. */
export const SECTIONS = [
  ['vhosts', 'Virtual hosts', (item) => [item.name, null]],
  ['users', 'Users', (item) => [item.name, null]],
  ['permissions', 'Permissions', (item) => [item.user, item.vhost]],
  ['topic_permissions', 'Topic permissions', (item) => [`${item.user} on ${item.exchange}`, item.vhost]],
  ['policies', 'Policies', (item) => [item.name, item.vhost]],
  ['parameters', 'Parameters', (item) => [`${item.component}: ${item.name}`, item.vhost ?? null]],
  ['global_parameters', 'Global parameters', (item) => [item.name, null]],
  ['exchanges', 'Exchanges', (item) => [item.name, item.vhost]],
  ['queues', 'Queues', (item) => [item.name, item.vhost]],
  ['bindings', 'Bindings', (item) => [`${item.source} → ${item.destination}`, item.vhost]],
];

/**
 * What importing `file` would make of `current`. An import adds and changes; it takes nothing away.
 * @param {Record<string, any>} current
 * @param {Record<string, any>} file
 * @param {string | null} [into] The vhost that a file of one vhost goes to.
 * @returns {DiffItem[]}
 */
export function definitionsDiff(current, file, into = null) {
  return SECTIONS.flatMap(([kind, , naming]) => {
    const there = new Map(list(current, kind).map((item) => [identity(kind, item), item]));
    return list(file, kind).map((raw) => {
      const item = into !== null && raw.vhost === undefined && kind !== 'vhosts' ? { ...raw, vhost: into } : raw;
      const old = there.get(identity(kind, item));
      const [name, vhost] = naming(item);
      const differing = old === undefined ? [] : changes(comparable(kind, old), comparable(kind, item));
      const what = old === undefined ? 'added' : differing.length > 0 ? 'changed' : 'same';
      return { kind, vhost: vhost ?? null, name, what, changes: differing };
    });
  });
}

function list(definitions, kind) {
  return Array.isArray(definitions?.[kind]) ? definitions[kind] : [];
}

/** What makes an item the one that it is. */
function identity(kind, item) {
  const parts = {
    permissions: ['vhost', 'user'],
    topic_permissions: ['vhost', 'user', 'exchange'],
    parameters: ['vhost', 'component', 'name'],
    bindings: ['vhost', 'source', 'destination_type', 'destination', 'routing_key', 'arguments'],
  }[kind] ?? ['vhost', 'name'];
  return JSON.stringify(parts.map((part) => sorted(item[part] ?? null)));
}

function sorted(value) {
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/** Without what says the same in other words: exact types, the default queue type, and empty fields. */
function comparable(kind, item) {
  const { exact_arguments: _, limits, ...rest } = item;
  const said = Object.entries(rest).filter(([, value]) => value !== null && value !== '' && value !== 'undefined' && !(isPlain(value) && Object.keys(value).length === 0));
  const plain = Object.fromEntries(said);
  if (kind === 'users' && typeof plain.tags === 'string') plain.tags = plain.tags.split(',').filter(Boolean);
  if (kind === 'queues' && plain.arguments?.['x-queue-type'] === 'classic') {
    const { 'x-queue-type': __, ...others } = plain.arguments;
    plain.arguments = others;
    if (Object.keys(others).length === 0) delete plain.arguments;
  }
  if (Array.isArray(plain.tags) && plain.tags.length === 0) delete plain.tags;
  return plain;
}

/**
 * How many of each.
 * @param {{what: string}[]} items
 */
export function tally(items) {
  const counts = { added: 0, changed: 0, same: 0, refused: 0 };
  for (const { what } of items) counts[what] = (counts[what] ?? 0) + 1;
  return counts;
}
