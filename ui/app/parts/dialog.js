/**
 * Dialogs: the browser's own, so that focus stays inside, Esc closes, and what lies behind cannot be reached. `openDialog` shows one
 * over any page and tells when it is closed.
 */
import { createRef, html, newId, signal, view } from '../component.js';
import { Icon } from './icon.js';

const open = signal([]);

/**
 * Shows a dialog. `draw(close)` gives its contents; `close(answer)` closes it.
 * @param {{title: string, draw: (close: (answer?: any) => void) => any, kind?: 'dialog' | 'drawer' | 'wide'}} options
 * @returns {Promise<any>} what `close` was given; `undefined` if it was closed otherwise
 */
export function openDialog({ title, draw, kind = 'dialog' }) {
  return new Promise((resolve) => {
    const entry = { id: newId('dialog'), title, draw, kind };
    entry.close = (answer) => {
      open.value = open.value.filter((other) => other !== entry);
      resolve(answer);
    };
    open.value = [...open.value, entry];
  });
}

/** Closes all of them: another page was opened. */
export function closeDialogs() {
  for (const entry of [...open.value]) entry.close(undefined);
}

/** Where dialogs are drawn; main.js has it once. */
export const Dialogs = view(() => html`${open.value.map((entry) => html`<${Dialog} key=${entry.id} ...${entry} />`)}`, 'Dialogs');

/** One dialog. */
const Dialog = view(({ id, title, draw, kind, close }, self) => {
  const element = self.keep('element', createRef);
  self.onMount('show', () => {
    const before = document.activeElement;
    const dialog = element.current;
    dialog.showModal();
    return () => {
      // Nothing beside an open dialog can have the focus.
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  });
  const onClick = (event) => { if (event.target === element.current) close(); };
  return html`<dialog ref=${element} class="dialog dialog-${kind}" aria-labelledby=${id} onCancel=${(event) => { event.preventDefault(); close(); }} onMouseDown=${onClick}>
    <div class="dialog-box">
      <header class="dialog-head"><h2 id=${id}>${title}</h2>
        <button type="button" class="icon-button" aria-label="Close" title="Close" onClick=${() => close()}><${Icon} name="close" /></button></header>
      <div class="dialog-body">${draw(close)}</div>
    </div>
  </dialog>`;
}, 'Dialog');

/** The row of buttons at a dialog's end. */
export function DialogActions({ children }) {
  return html`<div class="dialog-actions">${children}</div>`;
}
