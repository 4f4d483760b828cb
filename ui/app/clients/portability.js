/** What the linter found, thing by thing. */

/**
 * An entry of `/api/coney/lint`. `target` is null where it is so on every broker.
 * @typedef {{rule: string, where: string, vhost: string, target: string | null, count: number, outcome: string, text: string, fix: string}} Finding
 *
 * What becomes of it, and where.
 * @typedef {{outcome: string, text: string, targets: string[]}} Verdict
 *
 * A thing that was done.
 * @typedef {{key: string, rule: string, where: string, vhost: string, count: number, fix: string, verdicts: Verdict[]}} Place
 */

/** What is worst comes first. @param {Place} place */
const rank = ({ verdicts }) => (verdicts.some(({ outcome }) => outcome.startsWith('refused')) ? 0 : verdicts.some(({ outcome }) => outcome === 'smell') ? 2 : 1);

/**
 * Puts together what is said of a thing for several brokers; brokers that do the same share a line.
 * @param {Finding[]} findings
 * @returns {Place[]}
 */
export function byPlace(findings) {
  /** @type {Map<string, Place>} */
  const places = new Map();
  for (const { rule, where, vhost, target, count, outcome, text, fix } of findings) {
    const key = JSON.stringify([vhost, rule, where]);
    const place = places.get(key) ?? { key, rule, where, vhost, count, fix, verdicts: [] };
    places.set(key, place);
    let verdict = place.verdicts.find((other) => other.outcome === outcome && other.text === text);
    if (!verdict) place.verdicts.push((verdict = { outcome, text, targets: [] }));
    if (target) verdict.targets.push(target);
  }
  return [...places.values()].sort((one, other) => rank(one) - rank(other));
}
