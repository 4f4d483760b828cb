/**
 * Answers that stay new. `live('/api/queues')` or `live(() => path)` gives signals; all paths that are being watched share one event
 * stream, which is closed while nobody looks at the page.
 */
import { batch, computed, effect, signal } from './component.js';
import { base, get, words, ApiError } from './api.js';

/** Paths of one stream at most, as the server has it. */
const PATHS_MAX = 16;
/** A page that changes what it watches does so several times in a row. */
const SETTLE_MS = 60;
const POLL_MS = 1000;
/** A stream that broke is opened again; one that could not be opened waits for longer. */
const SOON_MS = 500;
const AGAIN_MS = 2000;

/** path -> {users, data, error, at, text} */
const watched = new Map();
/** The paths in use, for the drawer. */
export const watchedPaths = signal([]);
/** Whether the broker answers: 'live', 'connecting' or 'lost'. */
export const connection = signal('connecting');
/** Held still by the reader. */
export const isPaused = signal(false);

const isHidden = signal(document.hidden);
document.addEventListener('visibilitychange', () => { isHidden.value = document.hidden; });

/**
 * @param {string | (() => string | null | undefined)} path what to watch; nothing while it is empty. A function may read signals.
 * @returns {{data: import('./component.js').ReadonlySignal, error: any, at: any, dispose(): void, refresh(): void}} `data.value` is `undefined` until
 *   the first answer, and stays what it was while another path is fetched only if `keep` is set
 */
export function live(path, { keep = false } = {}) {
  const wanted = computed(() => (typeof path === 'function' ? path() : path) || null);
  const entry = signal(null);
  const last = signal(undefined);
  let held = null;
  const stop = effect(() => {
    const now = wanted.value;
    if (held === now) return;
    const before = held;
    held = now;
    entry.value = now ? hold(now) : null;
    if (before) release(before);
  });
  const stopKeeping = keep ? effect(() => { if (entry.value?.data.value !== undefined) last.value = entry.value.data.value; }) : null;
  return {
    data: computed(() => entry.value?.data.value ?? (keep ? last.value : undefined)),
    error: computed(() => entry.value?.error.value ?? null),
    at: computed(() => entry.value?.at.value ?? null),
    refresh: () => { if (held) fetchOnce(held); },
    dispose() {
      stop();
      stopKeeping?.();
      if (held) release(held);
      held = null;
    },
  };
}

function hold(path) {
  let entry = watched.get(path);
  if (!entry) {
    entry = { users: 0, data: signal(undefined), error: signal(null), at: signal(null), text: null };
    watched.set(path, entry);
    changed();
  }
  entry.users += 1;
  return entry;
}

function release(path) {
  const entry = watched.get(path);
  entry.users -= 1;
  if (entry.users === 0) {
    // Whoever draws the same again at once finds it.
    setTimeout(() => {
      if (entry.users === 0 && watched.get(path) === entry) {
        watched.delete(path);
        changed();
      }
    }, SETTLE_MS);
  }
}

let settling = null;
function changed() {
  clearTimeout(settling);
  settling = setTimeout(() => {
    watchedPaths.value = [...watched.keys()];
  }, SETTLE_MS);
}

/** @param {string} text what the answer was made of: the same again is no news */
function take(path, status, body, text) {
  const entry = watched.get(path);
  if (!entry) return;
  batch(() => {
    connection.value = 'live';
    if (status >= 200 && status < 300) {
      if (text !== entry.text) {
        entry.text = text;
        entry.data.value = body;
      }
      if (entry.error.value) entry.error.value = null;
    } else {
      entry.error.value = new ApiError(status, words(status, body), 'GET', path);
    }
    entry.at.value = Date.now();
  });
}

async function fetchOnce(path, abort) {
  try {
    const body = await get(path, { signal: abort });
    take(path, 200, body, JSON.stringify(body));
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (error.status === 0) connection.value = 'lost';
    const entry = watched.get(path);
    if (entry) entry.error.value = error;
  }
}

effect(() => {
  const paths = watchedPaths.value;
  if (isHidden.value || isPaused.value || paths.length === 0) return undefined;
  return follow(paths.slice(0, PATHS_MAX), paths.slice(PATHS_MAX));
});

function follow(paths, rest) {
  const params = new URLSearchParams(paths.map((path) => ['get', path]));
  const abort = new AbortController();
  let source = null;
  let again = null;
  const open = () => {
    let wasOpen = false;
    source = new EventSource(`${base}/api/coney/live?${params}`);
    source.onopen = () => { wasOpen = true; connection.value = 'live'; };
    source.addEventListener('data', (event) => {
      const { get: path, status, body } = JSON.parse(event.data);
      take(path, status, body, event.data);
    });
    source.onerror = () => {
      source.close();
      if (abort.signal.aborted) return;
      connection.value = 'connecting';
      // A stream does not tell why there is none (logged out, too many of them): plain requests do, and are an answer until the next try.
      if (!wasOpen) for (const path of paths) fetchOnce(path, abort.signal);
      again = setTimeout(open, wasOpen ? SOON_MS : AGAIN_MS);
    };
  };
  open();
  const stopRest = rest.length ? poll(rest) : null;
  return () => {
    abort.abort();
    clearTimeout(again);
    source.close();
    stopRest?.();
  };
}

function poll(paths) {
  const abort = new AbortController();
  let timer = null;
  const round = async () => {
    await Promise.all(paths.map((path) => fetchOnce(path, abort.signal)));
    if (!abort.signal.aborted) timer = setTimeout(round, POLL_MS);
  };
  round();
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}

/** Asks anew at once for whatever is being watched and begins with this: after something was done. */
export function refresh(prefix = '') {
  for (const path of watched.keys()) if (path.startsWith(prefix)) fetchOnce(path);
}
