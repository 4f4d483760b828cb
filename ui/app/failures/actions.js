/**
 * What can be done about a group of failures, and the requests that do it. Pure.
 * @typedef {{kind: 'replay' | 'move' | 'drop' | 'release', queue: string, path: string, body: Record<string, any>}} Action
 */

import { alike } from './groups.js';
import { kindOf } from './kinds.js';

/** A group names as many of its messages. */
const NAMED_MAX = 100;
/** Messages that are looked at for an error, which the broker's own filter cannot ask for. */
export const LOOKED_AT_MAX = 10_000;

/**
 * Which actions make sense: dead letters can be sent back, moved or dropped; what waits can be released or dropped;
 * what is gone or being retried can only be looked at.
 * @param {{what: string, to: string[]}} group
 * @returns {('replay' | 'move' | 'drop' | 'release')[]}
 */
export function offeredActions(group) {
  if (kindOf(group.what).fate === 'elsewhere') return group.to.length > 0 ? ['replay', 'move', 'drop'] : [];
  return group.what === 'delayed' || group.what === 'parked' ? ['release', 'drop'] : [];
}

/**
 * The filter for the dead letters of a group, in the queue where they are now. One that names an error needs the
 * messages' positions besides.
 * @param {{queue: string | null, reason: string | null}} group
 */
export function deadLetterFilter({ queue, reason }) {
  const filter = {};
  if (queue) filter.headers = { 'x-last-death-queue': queue };
  if (reason) filter.reason = reason;
  return filter;
}

/**
 * Whether a message that was looked at belongs to a group, by its newest death.
 * @param {any} message
 * @param {{queue: string | null, reason: string | null, error: string | null}} group
 */
export function belongs(message, { queue, reason, error }) {
  const death = message.properties?.headers?.['x-death']?.[0];
  if (!death) return false;
  return (!queue || death.queue === queue) && (!reason || death.reason === reason) && alike(death.error) === alike(error);
}

/**
 * The request for an action on the dead letters of a group.
 * @param {'replay' | 'move' | 'drop'} kind
 * @param {any} group
 * @param {string} queue Where the messages are now.
 * @param {{to?: Record<string, string>, ids?: number[] | null}} [more] `ids`: those that were looked at, if an error was asked for.
 * @returns {Action}
 */
export function deadLetterAction(kind, group, queue, { to, ids = null } = {}) {
  const verb = kind === 'drop' ? 'delete' : kind;
  const body = { filter: deadLetterFilter(group), ...(ids ? { ids } : {}), ...(kind === 'move' ? { to } : {}) };
  return { kind, queue, path: messagesPath(group.vhost, queue, verb), body };
}

/**
 * The request for an action on messages of a group that wait.
 * @param {'release' | 'drop'} kind
 * @param {any} group
 * @returns {Action}
 */
export function waitingAction(kind, group) {
  const body = { state: group.what, ...(group.positions.length > 0 && group.count <= NAMED_MAX ? { ids: group.positions } : {}) };
  return { kind, queue: group.queue, path: messagesPath(group.vhost, group.queue, kind), body };
}

/**
 * @param {string} vhost
 * @param {string} queue
 * @param {string} verb
 */
export function messagesPath(vhost, queue, verb) {
  return `/api/coney/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(queue)}/messages/${verb}`;
}

/**
 * What an action will do, or did, in a sentence.
 * @param {Action} action
 * @param {number} count
 * @param {boolean} isDone
 */
export function sentence({ kind, queue, body }, count, isDone) {
  const messages = `${count.toLocaleString('en')} ${count === 1 ? 'message' : 'messages'}`;
  const was = isDone ? (count === 1 ? 'was' : 'were') : 'will be';
  switch (kind) {
    case 'replay': return `${messages} in '${queue}' ${was} sent back to where ${count === 1 ? 'it' : 'they'} came from.`;
    case 'move': return `${messages} in '${queue}' ${was} moved to ${target(body.to)}.`;
    case 'release': return `${messages} in '${queue}' ${was} made ready at once.`;
    default: return `${messages} in '${queue}' ${was} dropped.`;
  }
}

function target(to) {
  return to?.queue ? `'${to.queue}'` : `exchange '${to?.exchange ?? ''}'${to?.routing_key ? ` with key '${to.routing_key}'` : ''}`;
}
