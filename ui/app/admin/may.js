/** "May U do X?": asked of the broker, which decides. */
import { computed, html, view } from '../component.js';
import { withQuery } from '../api.js';
import { live } from '../live.js';
import { Field } from '../parts/form.js';
import { Icon } from '../parts/icon.js';

const OPERATIONS = [
  ['configure', 'declare or delete'],
  ['write', 'publish or bind to'],
  ['read', 'consume from or bind'],
];

/**
 * A question with its answer.
 * @param {{user?: string, users?: string[], vhosts: string[]}} props `user`: about whom; else one of `users`
 */
export const May = view(({ user, users = [], vhosts }, self) => {
  const who = self.signal('who', user ?? users[0] ?? '');
  const vhost = self.signal('vhost', vhosts.includes('/') ? '/' : (vhosts[0] ?? '/'));
  const operation = self.signal('operation', 'write');
  const name = self.signal('name', '');
  const key = self.signal('key', '');
  const answer = self.keep('answer', () => live(() => (name.value.trim() === '' ? null : withQuery('/api/coney/may', {
    user: self.props.user ?? who.value, vhost: vhost.value, operation: operation.value, name: name.value.trim(),
    routing_key: operation.value === 'configure' ? undefined : key.value.trim(),
  })), { keep: true }));
  const hasTopic = self.keep('topic', () => computed(() => operation.value !== 'configure'));
  return html`<div class="may">
    <div class="fields may-fields">
      ${user === undefined ? html`<${Field} label="May" type="select" value=${who} options=${users} />` : null}
      <${Field} label=${user === undefined ? 'Do what' : `May ${user}`} type="select" value=${operation} options=${OPERATIONS} />
      <${Field} label="Queue or exchange" value=${name} placeholder="orders" />
      ${hasTopic.value ? html`<${Field} label="With the routing key" value=${key} placeholder="any" />` : null}
      <${Field} label="In the virtual host" type="select" value=${vhost} options=${vhosts} />
    </div>
    <${Answer} answer=${answer} isAsked=${name.value.trim() !== ''} />
  </div>`;
}, 'May');

const Answer = view(({ answer, isAsked }) => {
  if (!isAsked) return html`<p class="may-answer quiet">Name something, and the broker answers.</p>`;
  if (answer.error.value) return html`<p class="may-answer bad" role="status"><${Icon} name="warning" /><span>${answer.error.value.message}</span></p>`;
  const told = answer.data.value;
  if (!told) return html`<p class="may-answer quiet">…</p>`;
  return html`<p class="may-answer ${told.may ? 'good' : 'bad'}" role="status"><${Icon} name=${told.may ? 'ok' : 'error'} /><span><b>${told.may ? 'Yes.' : 'No.'}</b> ${told.why}</span></p>`;
}, 'Answer');
