/** Where a message is in its queue. The API lists messages by state and by turn, not by position. */

import { get, url, withQuery } from '../api.js';

/** Messages of one answer at most, as the broker has it. */
const PAGE = 100;
/** Pages that are looked through before a message counts as gone, where the turn says nothing of the position. */
const PAGES_MAX = 100;

export const STATES = ['ready', 'unacked', 'delayed', 'parked'];

/**
 * @typedef {{state: string, offset: number, message: object}} Found
 * @param {{vhost: string, name: string, position: number}} place
 * @param {Found|null} before where it was a moment ago
 * @returns {Promise<Found|null>} null if it is not in the queue
 */
export async function findMessage(place, before = null) {
  if (before !== null) {
    const again = await near(place, before);
    if (again !== null) return again;
  }
  for (const state of STATES) {
    const found = state === 'ready' ? await findReady(place) : await findIn(place, state);
    if (found !== null) return found;
  }
  return null;
}

function list({ vhost, name }, state, offset, limit, truncate) {
  return get(withQuery(url`/api/coney/queues/${vhost}/${name}/messages`, { state, offset, limit, truncate }));
}

/** At the same place, or before it: those in front of it may have gone. */
async function near(place, { state, offset }) {
  const again = await whole(place, state, offset);
  if (again !== null) return again;
  const first = Math.max(0, offset - PAGE + 1);
  const messages = await list(place, state, first, PAGE, 0);
  const at = messages.findIndex(({ id }) => id === place.position);
  return at < 0 ? null : whole(place, state, first + at);
}

/** Without priorities the turn is the position, so that a few questions are enough. */
async function findReady(place) {
  const [head] = await list(place, 'ready', 0, 1, 0);
  if (head === undefined) return null;
  if (head.priority > 0) return findIn(place, 'ready');
  let [low, high] = [0, 1];
  const idAt = async (offset) => (await list(place, 'ready', offset, 1, 0))[0]?.id ?? Infinity;
  while ((await idAt(high)) < place.position) [low, high] = [high, high * 2];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await idAt(middle)) < place.position) low = middle + 1;
    else high = middle;
  }
  return whole(place, 'ready', low);
}

async function findIn(place, state) {
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const messages = await list(place, state, page * PAGE, PAGE, 0);
    const at = messages.findIndex(({ id }) => id === place.position);
    if (at >= 0) return whole(place, state, page * PAGE + at);
    if (messages.length < PAGE) return null;
  }
  return null;
}

async function whole(place, state, offset) {
  const [message] = await list(place, state, offset, 1);
  return message?.id === place.position ? { state, offset, message } : null;
}
