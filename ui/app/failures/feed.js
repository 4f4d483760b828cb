/**
 * Events of the journal as they come: those that are there already, then each new one. Closed while nobody looks at the page, and
 * taken up again where it was.
 */
import { batch, computed, effect, signal } from '../component.js';
import { get, onLoggedOut, url, withQuery } from '../api.js';
import { isPaused } from '../live.js';

const AGAIN_MS = 2000;
/** Events that are kept, unless another number is asked for. */
const KEPT = 200;

const isHidden = signal(document.hidden);
document.addEventListener('visibilitychange', () => { isHidden.value = document.hidden; });

/** Where the journal of a vhost is, or that of all. */
export const journalPath = (vhost) => (vhost ? url`/api/coney/journal/${vhost}` : '/api/coney/journal');

/**
 * @param {() => {vhost?: string, filter?: Record<string, any>, back?: number} | null} ask What to follow; may read signals. `back`: how many events to go back
 *   from the newest, of all kinds; without it all that the journal has.
 * @param {{kept?: number, onEvents?: (events: any[]) => void}} [options] `kept`: how many of the newest stay in `events`
 * @returns {{events: any, lost: any, error: any, isHere: any, dispose(): void}} `events`: newest first; `isHere`: all that was there has come
 */
export function feed(ask, { kept = KEPT, onEvents } = {}) {
  const question = computed(() => JSON.stringify(ask()));
  const state = { events: signal([]), lost: signal(0), error: signal(null), isHere: signal(false) };
  let asked = null;
  let last = 0;
  const take = ({ events = [], lost = 0, last: newest }) => batch(() => {
    if (events.length > 0) {
      state.events.value = [...events.toReversed(), ...state.events.value].slice(0, kept);
      last = events.at(-1).number;
      onEvents?.(events);
    }
    if (newest !== undefined && newest > last) last = newest;
    if (lost > 0) state.lost.value += lost;
  });
  const stop = effect(() => {
    const now = question.value;
    if (now !== asked) {
      asked = now;
      last = 0;
      batch(() => {
        state.events.value = [];
        state.lost.value = 0;
        state.error.value = null;
        state.isHere.value = false;
      });
    }
    if (isHidden.value || isPaused.value || now === 'null') return undefined;
    const connection = open(JSON.parse(now), () => last, take, state);
    return () => connection.close();
  });
  return { ...state, dispose: stop };
}

/** One stream, opened again whenever it breaks. */
function open({ vhost, filter = {}, back }, lastOf, take, { error, isHere }) {
  let source = null;
  let timer = null;
  let isOver = false;
  const fail = (problem) => {
    if (isOver) return;
    error.value = problem;
    if (problem.status !== 404) timer = setTimeout(begin, AGAIN_MS);
  };
  const follow = (after) => {
    if (isOver) return;
    source = new EventSource(withQuery(journalPath(vhost), { ...filter, after, follow: 'sse' }));
    source.onopen = () => { error.value = null; };
    const onData = (event) => {
      const data = JSON.parse(event.data);
      take(Array.isArray(data.events) ? data : { events: [data] });
    };
    for (const name of ['message', 'event', 'events', 'data']) source.addEventListener(name, onData);
    source.onerror = () => {
      source.close();
      if (!isOver) timer = setTimeout(begin, AGAIN_MS);
    };
  };
  const begin = async () => {
    try {
      // What is there already comes at once and tells where the end is; a stream does not say why it cannot be opened.
      const from = lastOf() || (back === undefined ? 0 : await startOf(vhost, back));
      await readAll(vhost, filter, from, take, () => isOver);
      if (isOver) return;
      isHere.value = true;
      follow(lastOf());
    } catch (problem) {
      if (problem.status === 401) onLoggedOut.run();
      fail(problem);
    }
  };
  begin();
  return {
    close() {
      isOver = true;
      clearTimeout(timer);
      source?.close();
    },
  };
}

const PAGE = 1000;

async function startOf(vhost, back) {
  const { last = 0 } = await get(withQuery(journalPath(vhost), { limit: 1, after: Number.MAX_SAFE_INTEGER }));
  return Math.max(0, last - back);
}

async function readAll(vhost, filter, from, take, isOver) {
  let after = from;
  for (;;) {
    const page = await get(withQuery(journalPath(vhost), { ...filter, after, limit: PAGE }));
    if (isOver()) return;
    take(page);
    if (page.events.length < PAGE) return;
    after = page.events.at(-1).number;
  }
}
