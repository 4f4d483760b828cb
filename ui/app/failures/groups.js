/**
 * Failures that are alike, together: by queue, what happened, reason and error. Pure: the page feeds it with what the API grouped,
 * and with events as they come.
 * @typedef {{key: string, vhost: string, queue: string | null, exchange: string | null, what: string, reason: string | null, error: string | null,
 *   count: number, first: number, last: number, positions: number[], to: string[], sentence: string, varies: boolean}} Group Times in milliseconds since the epoch.
 */

import { isFailure } from './kinds.js';

/** Positions that a group keeps, newest first. */
const POSITIONS_MAX = 100;

/**
 * What varies from one message to the next, taken out of an error: "order 4711 not found" and "order 4712 not found" are one fault.
 * @param {string | null | undefined} error
 */
export function alike(error) {
  if (!error) return null;
  const cut = error
    .replaceAll(/[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/gi, '…')
    .replaceAll(/\b0x[\da-f]+\b/gi, '…')
    .replaceAll(/\b(?=[\da-f]*\d)[\da-f]{12,}\b/gi, '…')
    .replaceAll(/\d+(?:[.:,]\d+)*/g, '…');
  return cut.replaceAll(/\s+/g, ' ').trim();
}

/**
 * The key of the group that a failure belongs to.
 * @param {{vhost: string, queue?: string | null, exchange?: string | null, what: string, reason?: string | null, error?: string | null}} failure
 */
export function keyOf({ vhost, queue, exchange, what, reason, error }) {
  return JSON.stringify([vhost, queue ?? null, queue ? null : (exchange ?? null), what, reason ?? null, alike(error)]);
}

/**
 * A group as the API tells it.
 * @param {string} vhost
 * @param {any} told
 * @returns {Group}
 */
export function groupOf(vhost, told) {
  const group = {
    vhost: told.vhost ?? vhost,
    queue: told.queue ?? null,
    exchange: told.queue ? null : (told.exchange ?? null),
    what: told.what,
    reason: told.reason ?? null,
    error: told.error ?? null,
    count: told.count ?? 1,
    first: told.first,
    last: told.last,
    positions: (told.positions ?? []).slice(0, POSITIONS_MAX),
    to: told.to ?? [],
    sentence: told.sentence ?? '',
    varies: false,
  };
  return { key: keyOf(group), ...group };
}

/**
 * The groups with an event more; the same map if it tells of no failure.
 * @param {Map<string, Group>} groups
 * @param {any} event
 * @returns {Map<string, Group>}
 */
export function withEvent(groups, event) {
  if (!isFailure(event)) return groups;
  const one = groupOf(event.vhost, {
    ...event, count: event.count ?? 1, first: event.at, last: event.at, positions: event.position == null ? [] : [event.position],
  });
  return new Map(groups).set(one.key, joined(groups.get(one.key), one));
}

/**
 * Groups of which those that are alike are one.
 * @param {Group[]} groups
 * @returns {Map<string, Group>}
 */
export function together(groups) {
  const all = new Map();
  for (const group of groups) all.set(group.key, joined(all.get(group.key), group));
  return all;
}

function joined(old, group) {
  if (old === undefined) return group;
  const newest = group.last >= old.last ? group : old;
  const older = newest === group ? old : group;
  return {
    ...newest,
    count: old.count + group.count,
    varies: old.varies || group.varies || old.error !== group.error,
    first: Math.min(old.first, group.first),
    positions: [...new Set([...newest.positions, ...older.positions])].slice(0, POSITIONS_MAX),
    to: [...new Set([...old.to, ...group.to])],
  };
}

const ORDERS = {
  last: (one, other) => other.last - one.last,
  count: (one, other) => other.count - one.count,
  queue: (one, other) => (one.queue ?? '').localeCompare(other.queue ?? '') || other.last - one.last,
};

/**
 * The groups that are asked for, in an order.
 * @param {Iterable<Group>} groups
 * @param {{queue?: string, what?: string, reason?: string, text?: string, order?: string}} wanted
 * @returns {Group[]}
 */
export function listed(groups, { queue, what, reason, text, order = 'last' }) {
  const wanted = (text ?? '').trim().toLowerCase();
  const kept = [...groups].filter((group) =>
    (!queue || group.queue === queue) && (!what || group.what === what) && (!reason || group.reason === reason) && hasText(group, wanted));
  return kept.sort(ORDERS[order] ?? ORDERS.last);
}

function hasText({ queue, exchange, what, reason, error }, wanted) {
  return wanted === '' || [queue, exchange, what, reason, error].some((part) => part?.toLowerCase().includes(wanted));
}

/**
 * How many of each kind, the most first.
 * @param {Iterable<Group>} groups
 * @param {'what' | 'queue' | 'reason'} by
 * @returns {{name: string, count: number}[]}
 */
export function counted(groups, by) {
  const counts = new Map();
  for (const group of groups) if (group[by]) counts.set(group[by], (counts.get(group[by]) ?? 0) + group.count);
  return [...counts].map(([name, count]) => ({ name, count })).sort((one, other) => other.count - one.count || one.name.localeCompare(other.name));
}
