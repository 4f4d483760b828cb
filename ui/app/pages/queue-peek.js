/**
 * The messages of a queue in one state, as they are: looking changes nothing. They come a hundred at a time, and on from there; with a
 * filter all are looked at until enough were found.
 */
import { batch, signal } from '../component.js';
import { get, url, withQuery } from '../api.js';

/** What the server gives at a time. */
const PAGE = 100;
/** Pages that are asked for at the same time while a filter looks for matches. */
const TOGETHER = 4;
/** A search stops after so many matches, and goes on when they have been seen. */
const FOUND_MAX = 200;
/** Bytes of a body that are enough for a line; and to look for something in. */
const PREVIEW_BYTES = 240;
const SEARCH_BYTES = 1 << 20;

/** Whether it is known what a message is like: it was in memory, or was read from disk. */
export const hasContent = (message) => message.payload !== undefined;

/** @param {{vhost: string, name: string, state: string, begin?: (isSearch: boolean) => number}} place `begin`: how many are passed over at first */
export function peekOf({ vhost, name, state, begin = () => 0 }) {
  const base = url`/api/coney/queues/${vhost}/${name}/messages`;
  const rows = signal([]);
  const lookedAt = signal(0);
  let passed = 0;
  /** Messages on disk that were too many to be read, which a search could not look into. */
  const unread = signal(0);
  const isBusy = signal(false);
  const isEnd = signal(false);
  const error = signal(null);
  const at = signal(null);
  let filter = null;
  let abort = new AbortController();

  const page = (offset, size) => get(withQuery(base, { state, offset, limit: PAGE, truncate: size, read: true }), { signal: abort.signal });

  async function run(wanted, isAnew) {
    const mine = abort;
    isBusy.value = true;
    try {
      let found = isAnew ? [] : rows.value;
      const isSearch = Boolean(filter && !filter.isEmpty);
      if (isAnew) passed = begin(isSearch);
      let offset = isAnew ? passed : passed + lookedAt.value;
      let missed = isAnew ? 0 : unread.value;
      const enough = found.length + wanted;
      for (let isOver = false; !isOver && found.length < enough;) {
        const offsets = Array.from({ length: isSearch ? TOGETHER : 1 }, (_, i) => offset + i * PAGE);
        const pages = await Promise.all(offsets.map((from) => page(from, isSearch && filter.needsBody ? SEARCH_BYTES : PREVIEW_BYTES)));
        if (mine.signal.aborted) return;
        const known = new Set(found.map((message) => message.id));
        found = [...found];
        for (const messages of pages) {
          offset += messages.length;
          if (isSearch) missed += messages.filter((message) => !hasContent(message)).length;
          for (const message of messages) if (!known.has(message.id) && (!isSearch || filter.matches(message))) found.push(message);
          isOver ||= messages.length < PAGE;
        }
        publish({ found, offset, missed, isOver });
      }
    } catch (problem) {
      if (problem.name !== 'AbortError') error.value = problem;
    } finally {
      if (mine === abort) isBusy.value = false;
    }
  }

  function publish({ found, offset, missed, isOver }) {
    batch(() => {
      rows.value = found;
      lookedAt.value = offset - passed;
      unread.value = missed;
      isEnd.value = isOver;
      error.value = null;
      at.value = Date.now();
    });
  }

  const stop = () => { abort.abort(); abort = new AbortController(); isBusy.value = false; };
  return {
    rows, lookedAt, unread, isBusy, isEnd, error, at,
    /** Begins anew, with another filter. */
    load(next) {
      filter = next ?? filter;
      stop();
      return run(filter && !filter.isEmpty ? FOUND_MAX : PAGE, true);
    },
    /** Goes on. */
    more() {
      if (!isBusy.value && !isEnd.value) run(filter && !filter.isEmpty ? FOUND_MAX : PAGE, false);
    },
    stop,
    dispose: stop,
  };
}
