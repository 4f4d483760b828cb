/** A list that the server keeps, by pages: only those that are looked at are fetched, and kept new. For a table's `source`. */
import { batch, computed, effect, signal, untracked } from '../component.js';
import { withQuery } from '../api.js';
import { live } from '../live.js';

const SIZE = 100;
/** Pages that are watched at a time: what can be seen never lies on more. */
const WATCHED = 2;
const SETTLE_MS = 120;

/**
 * @param {() => {path: string, [parameter: string]: any} | null} ask what list, and its parameters (`name`, `use_regex`, `sort`, `sort_reverse`, `columns`, ..);
 *   may read signals. Another question begins anew.
 * @returns {{source: {count: number, at: Function, want: Function}, total: any, error: any, isLoading: any, dispose(): void}}
 */
export function pagesOf(ask) {
  const question = computed(() => JSON.stringify(ask()));
  const range = signal([0, 0]);
  const held = signal(new Map());
  const count = signal(0);
  const total = signal(undefined);
  const answered = signal(null);
  const slots = Array.from({ length: WATCHED }, (_, i) => live(() => {
    const [first, last] = range.value;
    const page = first + i;
    const asked = JSON.parse(question.value);
    if (!asked || page > last) return null;
    const { path, ...parameters } = asked;
    return withQuery(path, { page: page + 1, page_size: SIZE, ...parameters });
  }));
  const stops = slots.map((slot) => effect(() => {
    const body = slot.data.value;
    if (!body?.items) return;
    untracked(() => batch(() => {
      const before = answered.value === question.value ? held.value : new Map();
      held.value = new Map(before).set(body.page - 1, body.items);
      answered.value = question.value;
      count.value = body.filtered_count;
      total.value = body.total_count;
    }));
  }));
  let timer = null;
  stops.push(effect(() => {
    question.value;
    untracked(() => { range.value = [0, 0]; });
  }));
  return {
    get source() {
      return {
        count: count.value,
        at: (index) => held.value.get(Math.floor(index / SIZE))?.[index % SIZE],
        want: (first, last) => {
          const next = [Math.floor(first / SIZE), Math.floor(Math.max(first, last - 1) / SIZE)];
          clearTimeout(timer);
          timer = setTimeout(() => {
            const [before, after] = range.peek();
            if (before !== next[0] || after !== next[1]) range.value = next;
          }, SETTLE_MS);
        },
      };
    },
    total,
    isLoading: computed(() => answered.value !== question.value && !slots[0].error.value),
    /** A page that is no more (the list got shorter) is no error to be shown. */
    error: computed(() => {
      const error = slots[0].error.value;
      return error && !/page.out.of.range/i.test(error.message) ? error : null;
    }),
    dispose() {
      clearTimeout(timer);
      for (const stop of stops) stop();
      for (const slot of slots) slot.dispose();
    },
  };
}
