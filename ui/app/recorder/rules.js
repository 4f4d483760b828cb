/**
 * Rules of the recorder: what a form says, the request, and a rule in words. Pure.
 * @typedef {{by: 'queue' | 'exchange' | 'header' | 'message_id' | 'all', name: string, value: string, next: string, minutes: string}} RuleForm
 */

/** How long a rule is on if nothing is said, so that nobody forgets one. */
const MINUTES = 60;
/** The broker takes a day; clocks may differ. */
const MINUTES_MAX = 23 * 60;
/** Messages that a rule may ask for when it asks for the next so many. */
const NEXT_MAX = 10_000;

export const BY = [
  ['queue', 'a queue', 'What is published to it, delivered from it and acked.'],
  ['exchange', 'an exchange', 'What is published to it, and where that goes.'],
  ['header', 'a header', 'Messages that have a header with a value.'],
  ['message_id', 'a message id', 'One message, wherever it goes.'],
  ['all', 'everything', 'All that happens in the virtual host. It costs throughput.'],
];

/** @returns {RuleForm} */
export function emptyRule() {
  return { by: 'queue', name: '', value: '', next: '', minutes: String(MINUTES) };
}

/**
 * The request's body, or what is wrong by field.
 * @param {RuleForm} form
 * @param {number} now In milliseconds since the epoch.
 */
export function ruleOf(form, now) {
  const errors = {};
  if (form.by !== 'all' && form.name.trim() === '') errors.name = 'Say which one.';
  const next = form.next.trim();
  if (next !== '' && !(/^[1-9]\d*$/.test(next) && Number(next) <= NEXT_MAX)) errors.next = 'Has to be from 1 to 10,000, or empty.';
  const minutes = Number(form.minutes);
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) errors.minutes = `Has to be from 1 to ${MINUTES_MAX} minutes.`;
  if (Object.keys(errors).length > 0) return { rule: null, errors };
  const rule = { ...what(form), until: Math.round(now + minutes * 60_000), ...(next === '' ? {} : { next: Number(next) }) };
  return { rule, errors };
}

function what({ by, name, value }) {
  switch (by) {
    case 'all': return { all: true };
    case 'header': return { header: { [name.trim()]: value } };
    default: return { [by]: name.trim() };
  }
}

/**
 * What a rule records, in words.
 * @param {any} rule As the API tells it.
 */
export function inWords(rule) {
  if (rule.queue != null) return `queue '${rule.queue}'`;
  if (rule.exchange != null) return `exchange '${rule.exchange}'`;
  if (rule.message_id != null) return `message id '${rule.message_id}'`;
  if (rule.header != null) return Object.entries(rule.header).map(([name, value]) => `header ${name} = '${value}'`).join(', ');
  return 'everything';
}

/**
 * What the journal is asked for to see what a rule recorded. It cannot be asked for a header: then it is everything that is recorded.
 * @param {any} rule
 * @returns {Record<string, string>}
 */
export function filterOf(rule) {
  if (rule.queue != null) return { queue: rule.queue };
  if (rule.exchange != null) return { exchange: rule.exchange };
  if (rule.message_id != null) return { message_id: rule.message_id };
  return {};
}

/**
 * Rules that were on and are not any more, of those that were seen. The broker forgets them; their events stay in the journal.
 * @param {any[]} seen
 * @param {any[]} on Those that are on now.
 */
export function ended(seen, on) {
  return seen.filter((rule) => !on.some((other) => isSame(other, rule)));
}

/** Numbers begin anew with each start of the broker: the time tells them apart. */
export const isSame = (one, other) => one.id === other.id && one.since === other.since;

/**
 * Those that were seen with those that are on, newest first, as many as are remembered.
 * @param {any[]} seen
 * @param {any[]} on
 * @param {number} max
 */
export function remembered(seen, on, max) {
  return [...on, ...ended(seen, on)].sort((one, other) => other.since - one.since).slice(0, max);
}

/**
 * A file's name for what was recorded: letters, digits and a date.
 * @param {any} rule
 * @param {Date} at
 */
export function fileName(rule, at) {
  const about = inWords(rule).replaceAll(/[^a-z\d]+/gi, '-').replaceAll(/^-|-$/g, '');
  return `recording-${about}-${at.toISOString().slice(0, 19).replaceAll(':', '')}.json`;
}
