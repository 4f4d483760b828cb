/** The broker's answer to "what would this policy change?", as a page shows it. Pure. */
import { changes } from './diff.js';

/**
 * @typedef {{policy: string | null, operator_policy: string | null, definition: Record<string, any>}} Effective what applies to something, of both kinds together
 * @typedef {{kind: 'queue' | 'exchange', name: string, old: Effective, new: Effective}} Match
 */

/**
 * What changes, and how many stay as they are: those that have it already, and those for which another policy is stronger.
 * @param {{matches: Match[]}} answer
 */
export function changesOf({ matches = [] }) {
  const changed = [];
  let [same, outranked] = [0, 0];
  for (const { kind, name, old, new: next, applies } of matches) {
    const differing = changes(old?.definition ?? {}, next?.definition ?? {});
    if (differing.length > 0) changed.push({ kind, name, was: old?.policy && old.policy !== next?.policy ? old.policy : null, changes: differing });
    else if (applies === false) outranked += 1;
    else same += 1;
  }
  return { matched: matches.length, changed, same, outranked };
}
