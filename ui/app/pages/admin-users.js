/** Users: who there is, and new ones. */
import { computed, html, signal, view } from '../component.js';
import { openForm } from '../admin/form-dialog.js';
import { OnlyAdministrators } from '../admin/only.js';
import { Tags, TagsField } from '../admin/tags.js';
import { put, url } from '../api.js';
import { Shown } from '../clients/parts.js';
import { terms } from '../clients/terms.js';
import { live, refresh } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Field } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Page } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { toast } from '../parts/toast.js';
import { go, link, query } from '../router.js';
import { can, session, vhosts } from '../session.js';

const SEARCHED = { name: (row) => row.name, tag: (row) => row.tags.join(' '), vhost: (row) => row.vhosts.join(' ') };
const limited = (row) => Object.entries(row.limits ?? {}).map(([name, value]) => `${name.replace('max-', '')} ${value}`).join(', ');

const COLUMNS = [
  {
    id: 'name', title: 'Name', always: true, min: 160, value: (row) => row.name, text: (row) => row.name,
    cell: (row) => html`<a href=${link(['users', row.name])}>${row.name}</a>${row.name === session.value?.name ? html` <span class="quiet">(you)</span>` : null}`,
  },
  { id: 'tags', title: 'May do here', width: 260, value: (row) => row.tags.join(), cell: (row) => html`<${Tags} tags=${row.tags} />`, text: (row) => row.tags.join(', ') },
  {
    id: 'vhosts', title: 'Virtual hosts', min: 180, value: (row) => row.vhosts.join(), text: (row) => row.vhosts.join(', '),
    cell: (row) => (row.vhosts.length ? row.vhosts.join(', ') : html`<${Badge} tone="warn" icon="warning" title="Without a permission nothing can be done by AMQP">none<//>`),
  },
  { id: 'password', title: 'Password', width: 110, value: (row) => Number(row.password_hash === ''), cell: (row) => (row.password_hash ? html`<span class="quiet">set</span>` : html`<${Badge} tone="warn" title="Cannot log in by password">none<//>`) },
  { id: 'limits', title: 'Limits', min: 140, value: limited, cell: (row) => limited(row) || html`<span class="quiet">none</span>`, text: limited },
];

/** Adds one, with all permissions on a vhost if that is wanted: without any a user can do nothing. */
function add() {
  const [name, password, vhost, tags] = [signal(''), signal(''), signal(vhosts.value.includes('/') ? '/' : ''), signal([])];
  return openForm({
    title: 'Add a user', action: 'Add user', isReady: () => name.value.trim() !== '',
    draw: () => html`<div class="fields"><${Field} label="Name" value=${name} autofocus required /><${Field} label="Password" type="password" autocomplete="new-password" value=${password} help="Empty: no login by password." /></div>
      <${TagsField} chosen=${tags} />
      <${Field} label="All permissions on" type="select" value=${vhost} options=${[['', 'no virtual host yet'], ...vhosts.value]} help="Can be narrowed down afterwards." />`,
    save: async () => {
      const user = name.value.trim();
      await put(url`/api/users/${user}`, { ...(password.value === '' ? { password_hash: '' } : { password: password.value }), tags: tags.value.join(',') });
      if (vhost.value) await put(url`/api/permissions/${vhost.value}/${user}`, { configure: '.*', write: '.*', read: '.*' });
      refresh('/api/users');
      toast(`${user} is there.`);
      go(['users', user]);
    },
  });
}

export default view(() => (can('administrator') ? html`<${Users} />` : html`<${OnlyAdministrators} title="Users" />`), 'UsersPage');

const Users = view((_, self) => {
  const users = self.keep('users', () => live('/api/users'));
  const permissions = self.keep('permissions', () => live('/api/permissions'));
  const test = self.keep('test', () => computed(() => terms(query.value.filter ?? '', SEARCHED)));
  const all = self.keep('all', () => computed(() => users.data.value?.map((user) => ({
    ...user, vhosts: (permissions.data.value ?? []).filter((permission) => permission.user === user.name).map((permission) => permission.vhost),
  }))));
  const rows = self.keep('rows', () => computed(() => all.value?.filter(test.value.test)));
  return html`<${Page} title="Users" lead="Who may log in, by AMQP and here." fill actions=${can('administrator') && html`<button type="button" class="button primary" onClick=${add}><${Icon} name="plus" />Add user</button>`}>
    <${Loaded} of=${users}>${() => html`<${Table} id="users" label="Users" columns=${COLUMNS} rows=${rows.value} rowKey=${(row) => row.name} href=${(row) => link(['users', row.name])} sort="name"
      toolbar=${html`<${Filter} label="Filter users" placeholder="Filter: name tag:administrator" error=${test.value.error} />`}
      note=${html`<${Shown} rows=${rows.value.length} all=${all.value.length} what="user" />`} empty=${html`<${Empty} icon="user" title="No user matches" />`} />`}<//>
  <//>`;
}, 'Users');
