/** What an import would do: the broker's answer, with what differs in detail where both sides can be seen here. Pure. */

/** How the broker calls what a definitions file has in these lists. */
const KINDS = {
  vhosts: 'vhost', users: 'user', permissions: 'permission', topic_permissions: 'topic permission', policies: 'policy', parameters: 'parameter',
  global_parameters: 'global parameter', exchanges: 'exchange', queues: 'queue', bindings: 'binding',
};

/**
 * @typedef {{kind: string, vhost: string | null, name: string, what: 'added' | 'changed', changes: import('./diff.js').Change[], fields: string[]}} ImportItem
 */

/**
 * @param {any} told
 * @param {import('./diff.js').DiffItem[]} own
 * @returns {{items: ImportItem[], counts: {added: number, changed: number, same: number}, leftOut: number, notes: string[], refused: string[]}}
 */
export function importOf(told, own) {
  const details = new Map(own.map((item) => [keyOf(KINDS[item.kind] ?? item.kind, item.vhost, item.name), item.changes]));
  const items = (told.differences ?? []).map(({ change, kind, vhost = null, name, fields = [] }) => {
    const changes = (details.get(keyOf(kind, vhost, name)) ?? []).filter(({ path }) => fields.includes(path.split('.')[0].replaceAll('-', '_')) || fields.includes(path.split('.')[0]));
    return { kind, vhost, name, what: change, changes: change === 'changed' ? changes : [], fields: change === 'changed' && changes.length === 0 ? fields : [] };
  });
  const counts = { added: told.added ?? 0, changed: told.changed ?? 0, same: told.same ?? 0 };
  return { items, counts, leftOut: Math.max(0, counts.added + counts.changed - items.length), notes: told.notes ?? [], refused: (told.refused ?? []).map((one) => one.why) };
}

const keyOf = (kind, vhost, name) => JSON.stringify([kind, vhost ?? null, name]);
