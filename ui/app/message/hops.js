/** How a recorded publish was routed, as a list of hops from exchange to exchange and at last to queues. Pure. */

/**
 * @typedef {{kind: 'exchange' | 'queue' | 'more', name: string}} End
 * @typedef {{from: End, by: {key?: string, text: string}, to: End}} Hop `key`: of a binding, with its arguments as `text`; without one `text` says how it went on
 */

const exchange = (name) => ({ kind: 'exchange', name });

/**
 * The hops of a publish; none of any other event, and none over the default exchange.
 * @param {any} event as the journal tells it, or nothing
 * @returns {Hop[]}
 */
export function hopsOf(event) {
  const { bindings = [], alternates = [], bindings_left_out: leftOut = 0 } = event ?? {};
  const hops = [
    ...alternates.map(({ exchange: from, alternate }) => ({ from: exchange(from), by: { text: 'no binding matched: its alternate exchange' }, to: exchange(alternate) })),
    ...bindings.map((binding) => ({
      from: exchange(binding.source),
      by: { key: binding.routing_key, text: Object.keys(binding.arguments).length === 0 ? '' : JSON.stringify(binding.arguments) },
      to: { kind: binding.destination_type, name: binding.destination },
    })),
  ];
  if (leftOut > 0) hops.push({ from: { kind: 'more', name: '…' }, by: { text: 'by' }, to: { kind: 'more', name: `${leftOut} more ${leftOut === 1 ? 'binding' : 'bindings'}` } });
  return hops;
}
