/** Who is here, and what they may do. The page hides what the broker would refuse; the broker decides all the same. */
import { computed, signal } from './component.js';
import { ApiError, del, get, onLoggedOut, post } from './api.js';

/**
 * `undefined` until it is known, `null` when nobody is logged in, else `{name, tags, vhosts, known_vhosts, server}`: names of vhosts that
 * one may enter, and look at.
 */
export const session = signal(undefined);

const FIRST = '/api/coney/session';
onLoggedOut.run = () => { session.value = null; };

/** How far the server's clock is ahead of this one, in ms: ages are of the server's times. */
export const clockAhead = signal(0);

/** Finds out who is here. */
export async function begin() {
  try {
    const answer = await get(FIRST, { quiet: true });
    clockAhead.value = answer.server.now - Date.now();
    session.value = answer;
  } catch (error) {
    if (error.status === 401) session.value = null;
    else throw error;
  }
}

/** @returns {Promise<void>} throws an `ApiError` in plain words */
export async function login(username, password) {
  try {
    await post(FIRST, { username, password }, { quiet: true });
  } catch (error) {
    if (error.status === 401) throw new ApiError(401, /tag|management user/i.test(error.message)
      ? error.message : 'The name or the password is wrong.', 'POST', FIRST);
    throw error;
  }
  await begin();
}

export async function logout() {
  try {
    await del(FIRST, undefined, { quiet: true });
  } finally {
    session.value = null;
  }
}

const has = (...tags) => tags.some((tag) => session.value?.tags.includes(tag));

/** Users whose only tags are those for looking see everything and touch nothing. */
export const isReadOnly = computed(() => !has('administrator', 'policymaker', 'management'));

/**
 * Whether the user may do this; reads a signal.
 * - `'administrator'`, `'policymaker'`, `'monitoring'`: what users with this tag may do;
 * - `'write'`: change something in this vhost (queues, messages, bindings).
 *
 * @param {'administrator' | 'policymaker' | 'monitoring' | 'write'} what
 * @param {string} [vhost]
 */
export function can(what, vhost) {
  if (!session.value) return false;
  const mayEnter = vhost === undefined || session.value.vhosts.includes(vhost);
  switch (what) {
    case 'administrator': return has('administrator');
    case 'policymaker': return has('administrator', 'policymaker') && mayEnter;
    case 'monitoring': return has('administrator', 'monitoring');
    case 'write': return !isReadOnly.value && mayEnter;
    default: throw new Error(`can: ${what}?`);
  }
}

/** Vhosts that one may enter. */
export const vhosts = computed(() => session.value?.vhosts ?? []);

/** Vhosts that one may look at: more, for users with the tag monitoring. */
export const knownVhosts = computed(() => session.value?.known_vhosts ?? vhosts.value);
