/** "May U do X?" for any user. */
import { html, view } from '../component.js';
import { live } from '../live.js';
import { Loaded } from '../parts/empty.js';
import { Card } from '../parts/page.js';
import { vhosts } from '../session.js';
import { May } from './may.js';

export const MayAny = view((_, self) => {
  const users = self.keep('users', () => live('/api/users?columns=name'));
  return html`<${Card} title="May a user do something?"><p class="quiet spaced">The broker answers with the permission and the pattern that decide it. Nothing is done.</p>
    <${Loaded} of=${users}>${(all) => html`<${May} users=${all.map((user) => user.name)} vhosts=${vhosts.value} />`}<//><//>`;
}, 'MayAny');
