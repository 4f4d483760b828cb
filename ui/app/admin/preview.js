/** The broker's answer to "what would this policy change?", as a page shows it. Pure. */
import { changes } from './diff.js';

/**
 * @typedef {{policy: string | null, operator_policy: string | null, definition: Record<string, any>, settings: {name: string, value: any}[]}} Applied
 * @typedef {{kind: 'queue' | 'exchange', name: string, matches: boolean, applies: boolean, old: Applied, new: Applied}} Match
 */

/** What is in force: of a queue its settings, in which its own arguments count; of an exchange what its policy says. */
function inForce(kind, applied) {
  if (kind === 'exchange') return applied?.definition ?? {};
  return Object.fromEntries((applied?.settings ?? []).map(({ name, value }) => [name.replace(/^x-/, ''), value]));
}

/**
 * What changes, and how many stay as they are: those for which another policy or their own arguments count, and those that have it already.
 * @param {{queues?: number, exchanges?: number, matches?: Match[], left_out?: number}} answer
 */
export function changesOf({ queues = 0, exchanges = 0, matches = [], left_out: leftOut = 0 }) {
  const changed = [];
  let [same, outranked] = [0, 0];
  for (const { kind, name, matches: isMatched, applies, old, new: next } of matches) {
    const differing = changes(inForce(kind, old), inForce(kind, next));
    if (differing.length > 0) changed.push({ kind, name, was: old?.policy && old.policy !== next?.policy ? old.policy : null, isLeft: isMatched === false, changes: differing });
    else if (isMatched !== false && applies === false) outranked += 1;
    else same += 1;
  }
  return { queues, exchanges, matched: queues + exchanges, changed, same, outranked, leftOut };
}
