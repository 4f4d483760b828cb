/**
 * Events of the journal as they come: those that are there already, then each new one. Closed while nobody looks at the page, and
 * taken up again where it was.
 */
import { batch, computed, effect, signal } from '../component.js';
import { base, get, url, withQuery } from '../api.js';
import { isPaused } from '../live.js';

const AGAIN_MS = 2000;
/** Events that are kept, unless another number is asked for. */
const KEPT = 200;
/** Events of an answer at most. */
const PAGE_MAX = 1000;

const isHidden = signal(document.hidden);
document.addEventListener('visibilitychange', () => { isHidden.value = document.hidden; });

/** Where the journal of a vhost is, or that of all. */
export const journalPath = (vhost) => (vhost ? url`/api/coney/journal/${vhost}` : '/api/coney/journal');

/** How far the reader's clock is ahead of UTC, in minutes: sentences tell times. */
export const utcOffset = () => -new Date().getTimezoneOffset();

/**
 * @param {() => {vhost?: string, filter?: Record<string, any>} | null} ask What to follow; may read signals.
 * @param {{kept?: number}} [options] `kept`: how many of the newest stay
 * @returns {{events: any, lost: any, error: any, isHere: any, dispose(): void}} `events`: newest first; `isHere`: what was there has come
 */
export function feed(ask, { kept = KEPT } = {}) {
  const question = computed(() => JSON.stringify(ask()));
  const state = { events: signal([]), lost: signal(0), error: signal(null), isHere: signal(false) };
  const place = { asked: null, cursor: null };
  const take = (page) => batch(() => {
    if (page.events.length > 0) state.events.value = [...page.events.toReversed(), ...state.events.value].slice(0, kept);
    if (page.lost > 0) state.lost.value += page.lost;
    place.cursor = page.cursor;
  });
  const stop = effect(() => {
    const now = question.value;
    if (now !== place.asked) {
      Object.assign(place, { asked: now, cursor: null });
      batch(() => {
        state.events.value = [];
        state.lost.value = 0;
        state.error.value = null;
        state.isHere.value = false;
      });
    }
    if (isHidden.value || isPaused.value || now === 'null') return undefined;
    const { vhost, filter = {} } = JSON.parse(now);
    return stream(journalPath(vhost), { ...filter, utc_offset_min: utcOffset() }, place, kept, take, state);
  });
  return { ...state, dispose: stop };
}

/** What is there already, and then a stream, which is opened again whenever it breaks. */
function stream(path, parameters, place, kept, take, { error, isHere }) {
  let source = null;
  let timer = null;
  let isOver = false;
  const again = () => { if (!isOver) timer = setTimeout(begin, AGAIN_MS); };
  const follow = () => {
    source = new EventSource(withQuery(base + path, { ...parameters, after: place.cursor, follow: 'sse' }));
    source.addEventListener('events', (event) => {
      error.value = null;
      take(JSON.parse(event.data));
    });
    source.onerror = () => {
      source.close();
      again();
    };
  };
  const begin = async () => {
    try {
      // A stream does not say why it cannot be opened; this does, and tells where the end is.
      const page = await get(withQuery(path, place.cursor === null ? { ...parameters, newest: true, limit: Math.min(kept, PAGE_MAX) } : { ...parameters, after: place.cursor, limit: PAGE_MAX }));
      if (isOver) return;
      take(page);
      batch(() => {
        isHere.value = true;
        error.value = null;
      });
      follow();
    } catch (problem) {
      if (isOver) return;
      error.value = problem;
      if (problem.status === 0 || problem.status >= 500) again();
    }
  };
  begin();
  return () => {
    isOver = true;
    clearTimeout(timer);
    source?.close();
  };
}
