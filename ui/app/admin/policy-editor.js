/** The form of a policy, and beside it what the broker says that it would match and change. Nothing is saved before that is seen. */
import { computed, html, signal, view } from '../component.js';
import { del, put, url } from '../api.js';
import { confirm } from '../parts/confirm.js';
import { Field } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Card, Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';
import { failed, toast } from '../parts/toast.js';
import { go, link } from '../router.js';
import { can, vhosts } from '../session.js';
import { inWords } from './patterns.js';
import { APPLY_TO, emptyForm, fromForm, toForm } from './policy-form.js';
import { offered, policyKey } from './policy-keys.js';
import { Preview } from './policy-preview.js';

/** Signals for each part of the form, and what they make. */
function formOf(first) {
  const fields = Object.fromEntries(['name', 'vhost', 'pattern', 'applyTo', 'priority'].map((key) => [key, signal(first[key])]));
  const rows = signal(first.rows.map((row) => ({ key: row.key, text: signal(row.text) })));
  const made = computed(() => fromForm({
    ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value.value])), rows: rows.value.map((row) => ({ key: row.key, text: row.text.value })),
  }));
  return { ...fields, rows, made };
}

/** @param {{vhost: string, isOperator: boolean, old?: any}} props */
export const PolicyEditor = view(({ vhost, isOperator, old }, self) => {
  const form = self.keep('form', () => formOf(old ? toForm(old) : emptyForm(vhost)));
  const wasTried = self.signal('tried', false);
  const isBusy = self.signal('busy', false);
  const mayEdit = isOperator ? can('administrator') : can('policymaker', form.vhost.value);
  const kind = isOperator ? 'operator-policies' : 'policies';
  const back = link('/policies', { tab: isOperator ? 'operator' : '' });
  const save = async (event) => {
    event.preventDefault();
    wasTried.value = true;
    const { policy } = form.made.value;
    if (!policy || isBusy.value) return;
    isBusy.value = true;
    try {
      await put(url`/api/${kind}/${form.vhost.value}/${form.name.value.trim()}`, policy);
      toast(`${form.name.value.trim()} holds now.`);
      location.hash = back;
    } catch (problem) {
      failed(problem);
    } finally {
      isBusy.value = false;
    }
  };
  const remove = () => confirm({
    title: `Delete the policy ${old.name}?`, action: 'Delete policy', name: old.name,
    children: html`<p>What it applies to loses its settings at once, or gets those of the policy with the next priority.</p>`,
    run: async () => {
      await del(url`/api/${kind}/${old.vhost}/${old.name}`);
      toast(`${old.name} is deleted.`);
      go('/policies', { tab: isOperator ? 'operator' : '' });
    },
  });
  const title = old ? old.name : `New ${isOperator ? 'operator policy' : 'policy'}`;
  return html`<${Page} title=${title} name=${title} crumbs=${[['Policies', back]]} lead=${isOperator ? 'An operator policy: limits that users cannot raise.' : undefined}
      actions=${old && mayEdit && html`<button type="button" class="button danger-quiet" onClick=${remove}><${Icon} name="trash" />Delete</button>`}>
    ${mayEdit ? null : html`<${Notice}>You may look at this policy, and not change it.<//>`}
    <form class="editor" onSubmit=${save}>
      <fieldset class="editor-main" disabled=${!mayEdit}>
        <${About} form=${form} isNew=${!old} wasTried=${wasTried.value} />
        <${Settings} form=${form} isOperator=${isOperator} wasTried=${wasTried.value} mayEdit=${mayEdit} />
        ${mayEdit ? html`<div class="row"><button type="submit" class="button primary" disabled=${isBusy.value}>Save policy</button><a class="button" href=${back}>Cancel</a></div>` : null}
      </fieldset>
      ${mayEdit ? html`<div class="editor-side"><${Preview} form=${form} isOperator=${isOperator} /></div>` : null}
    </form>
  <//>`;
}, 'PolicyEditor');

/** Which things it is for. */
const About = view(({ form, isNew, wasTried }) => {
  const { errors } = form.made.value;
  return html`<${Card} title="What it is for">
    <div class="stack">
      ${isNew ? html`<div class="fields"><${Field} label="Name" value=${form.name} autofocus error=${wasTried ? errors.name : undefined} />
        ${vhosts.value.length > 1 ? html`<${Field} label="Virtual host" type="select" value=${form.vhost} options=${vhosts.value} />` : null}</div>` : null}
      <${Field} label="Pattern" value=${form.pattern} placeholder="^orders\\." class="mono-field" help=${html`A regular expression, matched anywhere in a name: <b>${inWords(form.pattern.value, { empty: 'everything' })}</b>`} />
      <div class="fields"><${Field} label="Applies to" type="select" value=${form.applyTo} options=${APPLY_TO} />
        <${Field} label="Priority" value=${form.priority} inputmode="numeric" error=${errors.priority} help="The highest that matches applies, alone." /></div>
    </div><//>`;
}, 'About');

/** What it sets. */
const Settings = view(({ form, isOperator, wasTried, mayEdit }) => {
  const { errors } = form.made.value;
  const has = new Set(form.rows.value.map((row) => row.key));
  const rest = offered({ operator: isOperator, applyTo: form.applyTo.value }).filter((row) => !has.has(row.key));
  const remove = (key) => { form.rows.value = form.rows.value.filter((row) => row.key !== key); };
  const add = (event) => {
    const { value: key } = event.target;
    event.target.value = '';
    if (key) form.rows.value = [...form.rows.value, { key, text: signal('') }];
  };
  return html`<${Card} title="What it sets">
    <div class="stack">
      ${form.rows.value.map((row) => html`<${SettingRow} key=${row.key} row=${row} error=${row.text.value === '' && !wasTried && policyKey(row.key)?.kind !== 'exchange' ? undefined : errors[row.key]} remove=${mayEdit && remove} />`)}
      ${mayEdit && rest.length > 0 ? html`<div class="field"><label for="add-setting" class="sr-only">Add a setting</label><span class="select"><select id="add-setting" onChange=${add} value="">
        <option value="">Add a setting …</option>
        ${[...new Set(rest.map((one) => one.group))].map((group) => html`<optgroup key=${group} label=${group}>${rest.filter((one) => one.group === group).map((one) => html`<option key=${one.key} value=${one.key}>${one.label}</option>`)}</optgroup>`)}
      </select><${Icon} name="down" /></span></div>` : null}
      ${wasTried && errors.rows ? html`<p class="field-error" role="alert">${errors.rows}</p>` : null}
    </div><//>`;
}, 'Settings');

const PLACEHOLDERS = { duration: '10 min', size: '64 MiB', count: '1000', durations: '1 s, 1 min, 10 min', exchange: 'the default exchange', number: '2' };

const SettingRow = view(({ row, error, remove }) => {
  const known = policyKey(row.key);
  const label = html`${known?.label ?? row.key} <code class="quiet">${row.key}</code>`;
  const options = known?.kind === 'choice' ? known.choices : known?.kind === 'flag' ? ['true', 'false'] : null;
  if (options && row.text.value === '') row.text.value = options[0];
  return html`<div class="setting">
    <${Field} label=${label} value=${row.text} type=${options ? 'select' : 'text'} options=${options ?? undefined} placeholder=${PLACEHOLDERS[known?.kind]} error=${error} help=${known ? known.help : 'Kept for RabbitMQ or a plugin; it has no effect here.'} />
    ${remove ? html`<button type="button" class="icon-button" aria-label="Remove ${row.key}" title="Remove" onClick=${() => remove(row.key)}><${Icon} name="close" /></button>` : null}
  </div>`;
}, 'SettingRow');
