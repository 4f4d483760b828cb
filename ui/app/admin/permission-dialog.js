/** Permissions of a user on a vhost: patterns, what they mean in words, and what they match there now. */
import { computed, html, signal, view } from '../component.js';
import { get, put, url } from '../api.js';
import { plural } from '../format.js';
import { refresh } from '../live.js';
import { Field } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { openForm } from './form-dialog.js';
import { inWords, matcher, PRESETS } from './patterns.js';

const KINDS = [
  ['configure', 'Configure', 'Which queues and exchanges the user may declare and delete.'],
  ['write', 'Write', 'What the user may publish to, and bind to exchanges.'],
  ['read', 'Read', 'What the user may consume from, purge, and bind others to.'],
];
const NAMES_MAX = 6;

/** The names of a vhost's queues and exchanges, once. */
function namesOf(vhost) {
  const names = signal(null);
  const load = async () => {
    try {
      const [queues, exchanges] = await Promise.all([get(`${url`/api/queues/${vhost}`}?columns=name`), get(`${url`/api/exchanges/${vhost}`}?columns=name`)]);
      names.value = [...queues, ...exchanges].map((item) => item.name || '(the default exchange)');
    } catch {
      names.value = [];
    }
  };
  load();
  return names;
}

/** A pattern with what it means and matches. */
const PatternField = view(({ label, help, value, names }) => {
  const { test, error } = matcher(value.value, { empty: 'nothing' });
  const matched = names.value === null ? null : names.value.filter(test);
  return html`<div class="pattern-field">
    <${Field} label=${label} value=${value} help=${help} error=${error ? `This is ${error}.` : undefined} class="mono-field" />
    <div class="row tight">${PRESETS.map((preset) => html`<button key=${preset.label} type="button" class="button small" aria-pressed=${value.value === preset.pattern ? 'true' : 'false'}
      onClick=${() => { value.value = preset.pattern; }}>${preset.label}</button>`)}</div>
    ${error ? null : html`<p class="small"><b>${inWords(value.value)}</b>${matched && html`<span class="quiet">, which is ${matchedInWords(matched)} now</span>`}</p>`}
  </div>`;
}, 'PatternField');

function matchedInWords(names) {
  if (names.length === 0) return 'nothing';
  const shown = names.slice(0, NAMES_MAX).map((name) => `'${name}'`).join(', ');
  return names.length > NAMES_MAX ? `${shown} and ${plural(names.length - NAMES_MAX, 'other')}` : shown;
}

/**
 * Gives or changes permissions.
 * @param {{user: string, vhost?: string, vhosts: string[], old?: {configure: string, write: string, read: string}}} about
 */
export function editPermission({ user, vhost, vhosts, old }) {
  const chosen = signal(vhost ?? vhosts[0] ?? '/');
  const values = Object.fromEntries(KINDS.map(([kind]) => [kind, signal(old?.[kind] ?? '.*')]));
  const lists = new Map();
  const names = computed(() => {
    if (!lists.has(chosen.value)) lists.set(chosen.value, namesOf(chosen.value));
    return lists.get(chosen.value).value;
  });
  return openForm({
    title: old ? `Permissions of ${user} on ${vhost}` : `Give ${user} permissions`, action: old ? 'Save' : 'Give permissions',
    draw: () => html`${old ? null : html`<${Field} label="Virtual host" type="select" value=${chosen} options=${vhosts} />`}
      <p class="quiet">Regular expressions, matched anywhere in a name. They hold at once, also for connections that are open.</p>
      ${KINDS.map(([kind, label, help]) => html`<${PatternField} key=${kind} label=${label} help=${help} value=${values[kind]} names=${names} />`)}`,
    save: async () => {
      await put(url`/api/permissions/${chosen.value}/${user}`, Object.fromEntries(KINDS.map(([kind]) => [kind, values[kind].value])));
      refresh('/api/permissions');
      refresh(url`/api/users/${user}/permissions`);
      toast(`${user} has permissions on ${chosen.value}.`);
    },
  });
}

/**
 * Gives or changes topic permissions: which routing keys of a topic exchange.
 * @param {{user: string, vhosts: string[], old?: {vhost: string, exchange: string, write: string, read: string}}} about
 */
export function editTopicPermission({ user, vhosts, old }) {
  const vhost = signal(old?.vhost ?? vhosts[0] ?? '/');
  const exchange = signal(old?.exchange ?? 'amq.topic');
  const write = signal(old?.write ?? '.*');
  const read = signal(old?.read ?? '.*');
  const none = signal(null);
  return openForm({
    title: old ? `Routing keys of ${user} on ${old.exchange}` : `Limit ${user} to some routing keys`, action: 'Save',
    draw: () => html`<p class="quiet">For topic exchanges, beside the permission for the exchange itself. Without one, every routing key is allowed. <code>{username}</code> and <code>{vhost}</code> stand for themselves.</p>
      ${old ? null : html`<div class="fields"><${Field} label="Virtual host" type="select" value=${vhost} options=${vhosts} /><${Field} label="Topic exchange" value=${exchange} /></div>`}
      <${PatternField} label="Write" help="Routing keys that the user may publish with." value=${write} names=${none} />
      <${PatternField} label="Read" help="Binding keys that the user may bind with." value=${read} names=${none} />`,
    save: async () => {
      await put(url`/api/topic-permissions/${vhost.value}/${user}`, { exchange: exchange.value, write: write.value, read: read.value });
      refresh(url`/api/users/${user}/topic-permissions`);
      toast(`${user} has topic permissions on ${exchange.value}.`);
    },
  });
}
