/** Fields with their labels, help and errors; and a table of names and values (headers, arguments). */
import { html, newId, view } from '../component.js';
import { Icon } from './icon.js';

/**
 * A field. `value` is a signal. `type`: any of input's, `textarea`, `select` (with `options`: strings or [value, text]), `check`.
 *
 * @param {{label: string, value: import('../component.js').Signal, type?: string, help?: any, error?: string, options?: any[], list?: string[], [attribute: string]: any}} props
 */
export const Field = view(({ label, value, type = 'text', help, error, options, list, onChange, hideLabel, class: extra, ...rest }, self) => {
  const id = self.keep('id', () => newId('field'));
  const set = (event) => {
    value.value = type === 'check' ? event.target.checked : event.target.value;
    onChange?.(value.value);
  };
  const described = error || help ? `${id}-help` : undefined;
  const common = { id, 'aria-describedby': described, 'aria-invalid': error ? 'true' : undefined, ...rest };
  const below = error ? html`<p class="field-error" id=${described}>${error}</p>` : help ? html`<p class="field-help" id=${described}>${help}</p>` : null;
  if (type === 'check') {
    return html`<div class="field field-check ${extra ?? ''}"><label><input type="checkbox" ...${common} checked=${value.value} onChange=${set} /><span>${label}</span></label>${below}</div>`;
  }
  return html`<div class="field ${extra ?? ''}"><label for=${id} class=${hideLabel ? 'sr-only' : undefined}>${label}</label>${control(type, { common, value, set, options, list, id })}${below}</div>`;
}, 'Field');

/**
 * How a form is sent: once at a time, and if it is refused `error` has the words. Signals are kept with the component.
 * @param {import('../component.js').View} self the component
 * @param {() => Promise<any>} run sends it; what it throws is shown
 * @param {() => boolean} [isReady] whether it may be sent
 */
export function submission(self, run, isReady = () => true) {
  const [error, isBusy] = [self.signal('error', ''), self.signal('busy', false)];
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy.value || !isReady()) return;
    isBusy.value = true;
    error.value = '';
    try {
      await run();
    } catch (problem) {
      error.value = problem.message;
    } finally {
      isBusy.value = false;
    }
  };
  return { error, isBusy, submit };
}

/** Why a form was refused, if it was. */
export const Refusal = ({ text }) => (text ? html`<p class="field-error" role="alert">${text}</p>` : null);

function control(type, { common, value, set, options, list, id }) {
  if (type === 'textarea') return html`<textarea rows="6" spellcheck=${false} ...${common} value=${value.value} onInput=${set}></textarea>`;
  if (type === 'select') {
    return html`<span class="select"><select ...${common} value=${value.value} onChange=${set}>${options.map((option) => {
      const [key, text] = Array.isArray(option) ? option : [option, option];
      return html`<option key=${key} value=${key} selected=${key === value.value}>${text}</option>`;
    })}</select><${Icon} name="down" /></span>`;
  }
  return html`<input type=${type} autocomplete="off" spellcheck=${false} list=${list ? `${id}-list` : undefined} ...${common} value=${value.value} onInput=${set} />
    ${list ? html`<datalist id="${id}-list">${list.map((item) => html`<option key=${item} value=${item} />`)}</datalist>` : null}`;
}

/** The types of values that a table of AMQP can have here. */
const TYPES = ['string', 'number', 'boolean', 'json'];

/** An empty row of a `Pairs`. */
export const pair = (name = '', value = '', type = 'string') => ({ name, value, type });

/** A table's fields as rows of a `Pairs`. */
export const pairsOf = (table) => Object.entries(table ?? {}).map(([name, value]) => {
  const type = typeof value === 'string' ? 'string' : typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'json';
  return pair(name, type === 'json' ? JSON.stringify(value) : String(value), type);
});

/** The table that rows say. Throws an `Error` that says which row is wrong. */
export function tableOf(rows) {
  const table = {};
  for (const { name, value, type } of rows) {
    if (name === '' && value === '') continue;
    if (name === '') throw new Error(`The value ${value} has no name.`);
    table[name] = valueOf(name, value, type);
  }
  return table;
}

function valueOf(name, value, type) {
  if (type === 'number') {
    if (value.trim() === '' || Number.isNaN(Number(value))) throw new Error(`${name} is not a number: ${value || 'empty'}`);
    return Number(value);
  }
  if (type === 'boolean') {
    if (!/^(true|false)$/i.test(value.trim())) throw new Error(`${name} is neither true nor false: ${value || 'empty'}`);
    return value.trim().toLowerCase() === 'true';
  }
  if (type === 'json') {
    try {
      return JSON.parse(value);
    } catch {
      throw new Error(`${name} is not JSON: ${value || 'empty'}`);
    }
  }
  return value;
}

/**
 * Names and values with types. `rows` is a signal of a list of `pair()`s.
 * @param {{label: string, rows: any, names?: string[], help?: any}} props `names`: suggestions
 */
export const Pairs = view(({ label, rows, names, help }, self) => {
  const id = self.keep('id', () => newId('pairs'));
  const change = (index, change) => { rows.value = rows.value.map((row, i) => (i === index ? { ...row, ...change } : row)); };
  const remove = (index) => { rows.value = rows.value.filter((_, i) => i !== index); };
  return html`<fieldset class="field pairs"><legend>${label}</legend>
    ${rows.value.map((row, i) => html`<div class="pair" key=${i}>
      <input aria-label="Name" placeholder="name" list=${names ? `${id}-names` : undefined} autocomplete="off" spellcheck=${false} value=${row.name}
        onInput=${(event) => change(i, { name: event.target.value })} />
      <input aria-label="Value" placeholder="value" autocomplete="off" spellcheck=${false} value=${row.value} onInput=${(event) => change(i, { value: event.target.value })} />
      <span class="select"><select aria-label="Type" value=${row.type} onChange=${(event) => change(i, { type: event.target.value })}>
        ${TYPES.map((type) => html`<option key=${type} value=${type} selected=${type === row.type}>${type}</option>`)}</select><${Icon} name="down" /></span>
      <button type="button" class="icon-button" aria-label="Remove ${row.name || 'row'}" title="Remove" onClick=${() => remove(i)}><${Icon} name="close" /></button>
    </div>`)}
    ${names ? html`<datalist id="${id}-names">${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist>` : null}
    <button type="button" class="button small" onClick=${() => { rows.value = [...rows.value, pair()]; }}><${Icon} name="plus" />Add</button>
    ${help ? html`<p class="field-help">${help}</p>` : null}
  </fieldset>`;
}, 'Pairs');
