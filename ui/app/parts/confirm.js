/** Asks before something that cannot be taken back, or touches much: says what will happen and to how many. */
import { html, newId, view } from '../component.js';
import { number } from '../format.js';
import { DialogActions, openDialog } from './dialog.js';
import { Refusal, submission } from './form.js';

/** From this many messages on the name has to be typed. */
export const NAME_ABOVE = 100;

/**
 * @param {object} options
 * @param {string} options.title a question: "Delete the queue orders?"
 * @param {any} options.children what will happen, in a sentence or two
 * @param {string} options.action the button: "Delete queue"
 * @param {string} [options.name] the name to be typed, if it has to be
 * @param {number} [options.count] how many messages it touches: the name is asked for above 100; without a count it is always asked for
 * @param {boolean} [options.danger] red; so unless it is `false`
 * @param {() => Promise<any>} [options.run] done before the dialog closes; its error is shown in it
 * @returns {Promise<boolean>} whether it was done (or, without `run`, agreed to)
 */
export async function confirm({ title, children, action, name, count, danger = true, run }) {
  const asksName = name !== undefined && (count === undefined || count > NAME_ABOVE);
  const draw = (close) => html`<${Question} ...${{ text: children, action, name: asksName ? name : undefined, count, danger, run, close }} />`;
  return (await openDialog({ title, draw })) === true;
}

const Question = view(({ text, action, name, count, danger, run, close }, self) => {
  const id = self.keep('id', () => newId('confirm'));
  const typed = self.signal('typed', '');
  const isAllowed = name === undefined || typed.value === name;
  const { error, isBusy, submit } = submission(self, async () => {
    await run?.();
    close(true);
  }, () => isAllowed);
  return html`<form onSubmit=${submit}>
    <div class="prose">${text}</div>
    ${name === undefined ? null : html`<div class="field"><label for=${id}>Type <code>${name}</code> to confirm</label>
      <input id=${id} autocomplete="off" spellcheck=${false} autofocus value=${typed.value} onInput=${(event) => { typed.value = event.target.value; }} /></div>`}
    <${Refusal} text=${error.value} />
    <${DialogActions}>
      <button type="button" class="button" autofocus=${name === undefined} onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class=${danger ? 'button danger' : 'button primary'} disabled=${!isAllowed || isBusy.value}>${action}${count > 1 ? ` (${number(count)})` : ''}</button>
    <//>
  </form>`;
}, 'Question');
