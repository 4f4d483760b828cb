/** A form in a dialog: fields, a button that saves, and the broker's words if it refuses. */
import { html, view } from '../component.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Refusal, submission } from '../parts/form.js';

/**
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.action the button: "Add user"
 * @param {() => any} options.draw the fields; may read signals
 * @param {() => Promise<any>} options.save done before the dialog closes; what it throws is shown
 * @param {() => boolean} [options.isReady] whether it can be saved; may read signals
 * @param {'dialog' | 'wide'} [options.kind]
 * @returns {Promise<boolean>} whether it was saved
 */
export async function openForm({ kind = 'dialog', title, ...form }) {
  return (await openDialog({ title, kind, draw: (close) => html`<${Form} ...${form} close=${close} />` })) === true;
}

const Form = view(({ draw, save, action, isReady, close }, self) => {
  const { error, isBusy, submit } = submission(self, async () => {
    await save();
    close(true);
  });
  return html`<form onSubmit=${submit}>
    ${draw()}
    <${Refusal} text=${error.value} />
    <${DialogActions}>
      <button type="button" class="button" onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class="button primary" disabled=${isBusy.value || (isReady ? !isReady() : false)}>${action}</button>
    <//>
  </form>`;
}, 'Form');
