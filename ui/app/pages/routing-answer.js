/** What the broker says would become of a message, as the tester shows it. */

/**
 * @typedef {object} Hit
 * @property {object} binding as the API shows bindings
 * @property {string} [why]
 *
 * @typedef {object} Outcome
 * @property {string[]} queues that would get it
 * @property {Hit[]} hits bindings that take it, by exchange to exchange from the first one on
 * @property {Hit[]} misses bindings that nearly take it
 * @property {string|null} alternate the alternate exchange that it went on to
 * @property {boolean} isReturned no queue gets it: it is dropped, or returned to whoever published it as mandatory
 */

/** @returns {Outcome} */
export function outcomeOf(answer) {
  const queues = answer.queues ?? [];
  return {
    queues: queues.map((queue) => (typeof queue === 'string' ? queue : queue.name)).sort(),
    hits: (answer.matches ?? answer.bindings ?? []).map(hitOf),
    misses: (answer.near_misses ?? []).map(hitOf),
    alternate: answer.alternate_exchange?.name ?? answer.alternate_exchange ?? null,
    isReturned: queues.length === 0,
  };
}

function hitOf({ why, binding, ...rest }) {
  return { binding: binding ?? rest, why };
}

/** Hits by the exchange that they begin at, in the order in which a message comes there. */
export function byExchange(hits, first) {
  const groups = new Map();
  for (const hit of hits) groups.set(hit.binding.source, [...(groups.get(hit.binding.source) ?? []), hit]);
  const order = [first, ...[...groups.keys()].filter((name) => name !== first)];
  return order.filter((name) => groups.has(name)).map((name) => ({ exchange: name, hits: groups.get(name) }));
}
