/** What the broker says would become of a message, as the tester shows it. */

/**
 * @typedef {{binding: object, why?: string}} Hit a binding as the API shows it, and why it does not take the message
 * @typedef {object} Station an exchange that the message comes to, in their order
 * @property {string} exchange
 * @property {string|null} type by which it routes
 * @property {Hit[]} hits bindings that take it
 * @property {Hit[]} misses bindings that nearly take it
 * @property {string[]} notes what else is to be known, a sentence each
 *
 * @typedef {{queues: string[], stations: Station[]}} Outcome
 */

/** @returns {Outcome} */
export function outcomeOf({ queues, matches, near_misses: misses, steps }) {
  const at = (bindings, exchange) => bindings.filter(({ source }) => source === exchange).map(({ why, ...binding }) => ({ binding, why }));
  const seen = new Set();
  const stations = steps.filter(({ exchange }) => !seen.has(exchange) && seen.add(exchange)).map((step) => ({
    exchange: step.exchange, type: step.routes_as, hits: at(matches, step.exchange), misses: at(misses, step.exchange), notes: notesOf(step),
  }));
  return { queues: [...queues].sort(), stations };
}

function notesOf({ via, from, waits_ms: waits, is_chance: isChance, not_looked_at: skipped, alternate, matched }) {
  return [
    via === 'binding' && `It comes here from ${from}.`,
    via === 'alternate-exchange' && `It comes here because no binding of ${from} takes it: this is its alternate exchange.`,
    waits > 0 && `It waits here for ${waits} ms first.`,
    isChance && matched > 1 && 'It goes to one of those that take it, not to all.',
    alternate && !alternate.is_there && `No binding takes it, and the alternate exchange ${alternate.name} does not exist.`,
    skipped > 0 && `${skipped} bindings were not looked at.`,
  ].filter(Boolean);
}
