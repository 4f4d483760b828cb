/** Names of a vhost's queues or exchanges, to be suggested. */

import { computed } from '../component.js';
import { url } from '../api.js';
import { live } from '../live.js';

const NAMES_MAX = 500;

/**
 * @param {'queues'|'exchanges'} kind
 * @returns {{names: import('../component.js').ReadonlySignal<string[]>, dispose: () => void}}
 */
export function namesOf(kind, vhost) {
  const list = live(`${url`/api/${kind}/${vhost}`}?page=1&page_size=${NAMES_MAX}&columns=name&disable_stats=true`);
  return {
    names: computed(() => (list.data.value?.items ?? []).map(({ name }) => name).filter((name) => name !== '')),
    dispose: list.dispose,
  };
}
