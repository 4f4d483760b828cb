/** A message that is looked at again and again, while somebody looks at the page. */

import { signal } from '../component.js';
import { findMessage } from './find.js';

const AGAIN_MS = 1000;

/**
 * @param {{vhost: string, name: string, position: number}} place
 * @returns {{found: import('../component.js').Signal, error: import('../component.js').Signal, look: () => Promise<void>, dispose: () => void}}
 *   `found`: undefined until it is known, null when it is not in the queue
 */
export function watchMessage(place) {
  const found = signal(undefined);
  const error = signal(null);
  let timer = null;
  let isOver = false;
  let text = '';
  const look = async () => {
    try {
      const now = await findMessage(place, found.peek() ?? null);
      const nowText = JSON.stringify(now);
      if (isOver) return;
      if (nowText !== text || found.peek() === undefined) found.value = now;
      text = nowText;
      error.value = null;
    } catch (problem) {
      if (!isOver) error.value = problem;
    }
  };
  const round = async () => {
    if (!document.hidden) await look();
    if (!isOver) timer = setTimeout(round, AGAIN_MS);
  };
  round();
  return {
    found, error, look,
    dispose: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
