/** One user: tags and password, permissions, limits, and what it may do. */
import { html, signal, view } from '../component.js';
import { openForm } from '../admin/form-dialog.js';
import { editLimits, LIMITS, limitText } from '../admin/limits.js';
import { May } from '../admin/may.js';
import { OnlyAdministrators } from '../admin/only.js';
import { inWords } from '../admin/patterns.js';
import { editPermission, editTopicPermission } from '../admin/permission-dialog.js';
import { Tags, TagsField } from '../admin/tags.js';
import { del, put, url } from '../api.js';
import { live, refresh } from '../live.js';
import { confirm } from '../parts/confirm.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Field } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Menu } from '../parts/menu.js';
import { Card, Facts, Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';
import { toast } from '../parts/toast.js';
import { go, link } from '../router.js';
import { can, session, vhosts } from '../session.js';

/** What stays when the tags change: the API wants the password, or its hash, each time. */
const kept = (user) => ({ password_hash: user.password_hash, hashing_algorithm: user.hashing_algorithm });

function editTags(user) {
  const tags = signal(user.tags);
  return openForm({
    title: `What ${user.name} may do here`, action: 'Save', draw: () => html`<${TagsField} chosen=${tags} />`,
    save: async () => {
      await put(url`/api/users/${user.name}`, { ...kept(user), tags: tags.value.join(',') });
      refresh('/api/users');
      toast(`The tags of ${user.name} are set.`);
    },
  });
}

function editPassword(user) {
  const [password, again, isNone] = [signal(''), signal(''), signal(false)];
  const differs = () => !isNone.value && again.value !== '' && password.value !== again.value;
  return openForm({
    title: `Password of ${user.name}`, action: 'Set password', isReady: () => isNone.value || (password.value !== '' && password.value === again.value),
    draw: () => html`<p>It holds for the next login. Connections that are open stay open.</p>
      ${isNone.value ? null : html`<div class="fields"><${Field} label="New password" type="password" autocomplete="new-password" value=${password} autofocus />
        <${Field} label="The same again" type="password" autocomplete="new-password" value=${again} error=${differs() ? 'It is not the same.' : undefined} /></div>`}
      <${Field} label="No password: the user cannot log in by one" type="check" value=${isNone} />`,
    save: async () => {
      await put(url`/api/users/${user.name}`, { ...(isNone.value ? { password_hash: '' } : { password: password.value }), tags: user.tags.join(',') });
      refresh('/api/users');
      toast(`The password of ${user.name} is set.`);
    },
  });
}

const remove = (name) => confirm({
  title: `Delete the user ${name}?`, action: 'Delete user', name, children: html`<p>Its permissions go with it, and its connections are closed. Queues and messages stay.</p>`,
  run: async () => {
    await del(url`/api/users/${name}`);
    toast(`${name} is deleted.`);
    go('/users');
  },
});

export default view(({ params }) => (can('administrator') ? html`<${User} name=${params.name} />` : html`<${OnlyAdministrators} title=${params.name} />`), 'UserPage');

const User = view(({ name }, self) => {
  const user = self.keep('user', () => live(url`/api/users/${name}`));
  const data = user.data.value;
  const isGone = user.error.value?.status === 404;
  const actions = data && !isGone && html`<button type="button" class="button" onClick=${() => editTags(data)}><${Icon} name="edit" />Tags</button>
    <button type="button" class="button" onClick=${() => editPassword(data)}><${Icon} name="lock" />Password</button>
    ${name === session.value?.name ? null : html`<button type="button" class="button danger-quiet" onClick=${() => remove(name)}><${Icon} name="trash" />Delete</button>`}`;
  return html`<${Page} title=${name} name=${name} crumbs=${[['Users', link('/users')]]} lead=${data && html`<${Tags} tags=${data.tags} />`} actions=${actions}>
    ${isGone ? html`<${Notice}>There is no such user. <a href="#/users">All users</a><//>` : html`<${Loaded} of=${user} lines=${8}>${(shown) => html`<${Details} user=${shown} />`}<//>`}
  <//>`;
}, 'User');

const Details = view(({ user }, self) => {
  const permissions = self.keep('permissions', () => live(url`/api/users/${user.name}/permissions`));
  const topics = self.keep('topics', () => live(url`/api/users/${user.name}/topic-permissions`));
  return html`${user.password_hash === '' ? html`<${Notice} tone="warn" title="No password">The user cannot log in by a password.<//>` : null}
    <${Permissions} user=${user} permissions=${permissions} />
    <${Card} title="What may ${user.name} do?"><${May} user=${user.name} vhosts=${vhosts.value} /><//>
    <${TopicPermissions} user=${user} topics=${topics} />
    <div class="grid">
      <${Card} title="Limits" actions=${html`<button type="button" class="button small" onClick=${() => editLimits('user', user.name, user.limits)}>Change</button>`}>
        <${Facts} class="lines" items=${LIMITS.user.map(([limit, label]) => [label, limitText(user.limits?.[limit])])} /><//>
      <${Card} title="Where else"><ul class="plain links"><li><a href=${link('/connections', { filter: `user:${user.name}` })}>Its connections</a></li>
        <li><a href=${link('/channels', { filter: `user:${user.name}` })}>Its channels</a></li><li><a href=${link('/consumers', { filter: `user:${user.name}` })}>Its consumers</a></li></ul><//>
    </div>`;
}, 'Details');

/** A pattern with its meaning below. */
const Pattern = ({ pattern }) => html`<code>${pattern === '' ? '(empty)' : pattern}</code><div class="quiet small">${inWords(pattern)}</div>`;

const Permissions = view(({ user, permissions }) => {
  const left = vhosts.value.filter((vhost) => !(permissions.data.value ?? []).some((permission) => permission.vhost === vhost));
  const give = html`<button type="button" class="button small" disabled=${left.length === 0} onClick=${() => editPermission({ user: user.name, vhosts: left })}><${Icon} name="plus" />Give</button>`;
  return html`<${Card} title="Permissions" class="flush-table" actions=${give}>
    <${Loaded} of=${permissions}>${(rows) => (rows.length === 0
    ? html`<${Empty} icon="lock" title="No permissions">The user can log in, and enter no virtual host.<//>`
    : html`<div class="scroll-x" tabindex="0" role="region" aria-label="Permissions"><table class="table plain"><thead><tr><th scope="col">Virtual host</th><th scope="col">Configure</th><th scope="col">Write</th><th scope="col">Read</th><th scope="col"><span class="sr-only">Actions</span></th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.vhost}><td><a href=${link(['vhosts', row.vhost])}>${row.vhost}</a></td>
        ${['configure', 'write', 'read'].map((kind) => html`<td key=${kind}><${Pattern} pattern=${row[kind]} /></td>`)}
        <td class="end"><${Menu} label="Actions for ${row.vhost}" items=${[
    { label: 'Change', icon: 'edit', run: () => editPermission({ user: user.name, vhost: row.vhost, vhosts: [row.vhost], old: row }) },
    { label: 'Take away', icon: 'trash', danger: true, run: () => takeAway(row) },
  ]} /></td></tr>`)}</tbody></table></div>`)}<//><//>`;
}, 'Permissions');

const takeAway = ({ user, vhost }) => confirm({
  title: `Take away the permissions of ${user} on ${vhost}?`, action: 'Take away', children: html`<p>From now on whatever it does there by AMQP is refused, also on connections that are open.</p>`, count: 0,
  run: async () => {
    await del(url`/api/permissions/${vhost}/${user}`);
    refresh(url`/api/users/${user}/permissions`);
  },
});

const TopicPermissions = view(({ user, topics }) => html`<${Card} title="Routing keys" class="flush-table" actions=${html`<button type="button" class="button small" onClick=${() => editTopicPermission({ user: user.name, vhosts: vhosts.value })}><${Icon} name="plus" />Limit</button>`}>
  <${Loaded} of=${topics}>${(rows) => (rows.length === 0 ? html`<p class="quiet">On topic exchanges the user may use every routing key.</p>`
    : html`<div class="scroll-x" tabindex="0" role="region" aria-label="Routing keys"><table class="table plain"><thead><tr><th scope="col">Virtual host</th><th scope="col">Exchange</th><th scope="col">Publish with</th><th scope="col">Bind with</th><th scope="col"><span class="sr-only">Actions</span></th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${`${row.vhost} ${row.exchange}`}><td>${row.vhost}</td><td>${row.exchange}</td><td><${Pattern} pattern=${row.write} /></td><td><${Pattern} pattern=${row.read} /></td>
        <td class="end"><${Menu} label="Actions for ${row.exchange}" items=${[
    { label: 'Change', icon: 'edit', run: () => editTopicPermission({ user: user.name, vhosts: vhosts.value, old: row }) },
    { label: 'Take away', icon: 'trash', danger: true, run: () => takeTopicAway(user.name, row) },
  ]} /></td></tr>`)}</tbody></table></div>`)}<//><//>`, 'TopicPermissions');

async function takeTopicAway(user, row) {
  await confirm({
    title: `Allow ${user} every routing key on ${row.exchange}?`, action: 'Allow', danger: false, children: html`<p>Its topic permission for this exchange is taken away.</p>`,
    run: async () => {
      await del(url`/api/topic-permissions/${row.vhost}/${user}/${row.exchange}`);
      refresh(url`/api/users/${user}/topic-permissions`);
    },
  });
}
