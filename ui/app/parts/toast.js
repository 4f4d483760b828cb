/** Short messages at the edge of the page, some with a way back. */
import { html, newId, signal, view } from '../component.js';
import { Icon } from './icon.js';
import { now } from './time.js';

const shown = signal([]);
const SHOWN_MS = 5000;
const BAD_MS = 12000;
const ICONS = { good: 'ok', bad: 'error', info: 'info' };

/**
 * @param {string} text
 * @param {{tone?: 'good' | 'bad' | 'info', undo?: () => Promise<any>, undoSeconds?: number}} [options] with `undo` it stays for `undoSeconds` (60) and counts down
 */
export function toast(text, { tone = 'good', undo, undoSeconds = 60 } = {}) {
  const id = newId('toast');
  const stays = undo ? undoSeconds * 1000 : tone === 'bad' ? BAD_MS : SHOWN_MS;
  const drop = () => { shown.value = shown.value.filter((other) => other.id !== id); };
  const runUndo = undo && (async () => {
    drop();
    try {
      await undo();
      toast('Undone.');
    } catch (error) {
      failed(error);
    }
  });
  shown.value = [...shown.value.slice(-4), { id, text, tone, undo: runUndo, ends: now.peek() + stays, drop }];
  setTimeout(drop, stays);
}

/** Shows an error that an action ended with. */
export const failed = (error) => toast(error.message ?? String(error), { tone: 'bad' });

/** Runs an action; its error becomes a toast. `true` if it went well. */
export async function attempt(run, done) {
  try {
    const answer = await run();
    if (done) toast(typeof done === 'function' ? done(answer) : done);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

const Toast = view(({ item }) => html`<div class="toast toast-${item.tone}">
  <${Icon} name=${ICONS[item.tone]} /><span class="toast-text">${item.text}</span>
  ${item.undo ? html`<button type="button" class="button small" onClick=${item.undo}>Undo <span class="quiet" aria-hidden="true">${Math.max(0, Math.ceil((item.ends - now.value) / 1000))} s</span></button>` : null}
  <button type="button" class="icon-button small" aria-label="Dismiss" onClick=${item.drop}><${Icon} name="close" /></button>
</div>`, 'Toast');

/** Where they are drawn; main.js has it once. */
export const Toasts = view(() => html`<div class="toasts" role="status" aria-live="polite">
  ${shown.value.map((item) => html`<${Toast} key=${item.id} item=${item} />`)}</div>`, 'Toasts');
