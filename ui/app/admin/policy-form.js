/**
 * A policy as a form and as the API has it. Values are text in the form, written as people write them ("10 min", "64 MiB").
 * Keys that have no row of their own are kept as JSON. Pure.
 */

import { policyKey } from './policy-keys.js';
import { formatDuration, formatSize, parseCount, parseDuration, parseSize } from './quantity.js';

/** What a policy may apply to, with what a reader calls it. */
export const APPLY_TO = [
  ['all', 'queues and exchanges'],
  ['queues', 'queues'],
  ['classic_queues', 'classic queues'],
  ['quorum_queues', 'quorum queues'],
  ['streams', 'streams'],
  ['exchanges', 'exchanges'],
];

/** @typedef {{name: string, vhost: string, pattern: string, applyTo: string, priority: string, rows: {key: string, text: string}[]}} PolicyForm */

/**
 * @param {string} vhost
 * @returns {PolicyForm}
 */
export function emptyForm(vhost) {
  return { name: '', vhost, pattern: '', applyTo: 'queues', priority: '0', rows: [] };
}

/**
 * @param {Record<string, any>} policy As the API has it.
 * @returns {PolicyForm}
 */
export function toForm(policy) {
  return {
    name: policy.name,
    vhost: policy.vhost,
    pattern: policy.pattern,
    applyTo: policy['apply-to'],
    priority: String(policy.priority ?? 0),
    rows: Object.entries(policy.definition).map(([key, value]) => ({ key, text: valueText(key, value) })),
  };
}

/**
 * What the API takes, or what is wrong by field (`name`, `priority`, `rows`, a key).
 * @param {PolicyForm} form
 * @returns {{policy: Record<string, any> | null, errors: Record<string, string>}}
 */
export function fromForm(form) {
  const errors = {};
  const definition = {};
  for (const { key, text } of form.rows) {
    const read = readValue(key, text);
    if ('error' in read) errors[key] = `Has to be ${read.error}.`;
    else if (key in definition) errors[key] = 'Is there twice.';
    else definition[key] = read.value;
  }
  if (form.name.trim() === '') errors.name = 'A policy needs a name.';
  if (!/^-?\d+$/.test(form.priority.trim())) errors.priority = 'Has to be a whole number.';
  if (form.rows.length === 0) errors.rows = 'A policy sets at least one thing.';
  if (Object.keys(errors).length > 0) return { policy: null, errors };
  const policy = { pattern: form.pattern, 'apply-to': form.applyTo, priority: Number(form.priority), definition };
  return { policy, errors };
}

/**
 * A value as a form and a table show it.
 * @param {string} key
 * @param {any} value
 */
export function valueText(key, value) {
  const row = policyKey(key);
  if (typeof value === 'number' && value === row?.none) return String(value);
  if (row?.kind === 'duration' && typeof value === 'number') return formatDuration(value);
  if (row?.kind === 'size' && typeof value === 'number') return formatSize(value);
  if (row?.kind === 'durations' && Array.isArray(value)) return value.map(formatDuration).join(', ');
  if (row === undefined) return JSON.stringify(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * @param {string} key
 * @param {string} text
 * @returns {{value: any} | {error: string}}
 */
export function readValue(key, text) {
  const row = policyKey(key);
  if (row === undefined) return readJson(text);
  const trimmed = text.trim();
  if (row.none !== undefined && trimmed === String(row.none)) return { value: row.none };
  switch (row.kind) {
    case 'duration': return parseDuration(text);
    case 'size': return parseSize(text);
    case 'count': return parseCount(text);
    case 'durations': return readDurations(trimmed);
    case 'number': return /^\d+(\.\d+)?$/.test(trimmed) ? { value: Number(trimmed) } : { error: 'a number' };
    case 'flag': return ['true', 'false'].includes(trimmed) ? { value: trimmed === 'true' } : { error: 'true or false' };
    case 'choice': return row.choices.includes(trimmed) ? { value: trimmed } : { error: `one of ${row.choices.join(', ')}` };
    default: return { value: text };
  }
}

function readDurations(text) {
  const parts = text.split(',').map((part) => parseDuration(part));
  if (parts.some((part) => 'error' in part)) return { error: 'times with commas between them, such as "1 s, 1 min"' };
  return { value: parts.map((part) => part.value) };
}

function readJson(text) {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { error: 'JSON: a number, true, false, or "text" in quotes' };
  }
}
