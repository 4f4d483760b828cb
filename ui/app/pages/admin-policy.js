/** One policy, to be looked at and changed. */
import { html, view } from '../component.js';
import { PolicyEditor } from '../admin/policy-editor.js';
import { url } from '../api.js';
import { live } from '../live.js';
import { Loaded } from '../parts/empty.js';
import { Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';
import { link, query } from '../router.js';

export default view(({ params }, self) => {
  const { vhost, name } = params;
  const isOperator = Boolean(query.value.operator);
  // The list, which everybody who may enter the vhost can read.
  const list = self.keep('list', () => live(isOperator ? url`/api/operator-policies/${vhost}` : url`/api/policies/${vhost}`));
  const old = list.data.value?.find((policy) => policy.name === name);
  if (old) return html`<${PolicyEditor} key="editor" vhost=${vhost} isOperator=${isOperator} old=${old} />`;
  return html`<${Page} title=${name} crumbs=${[['Policies', link('/policies', { tab: isOperator ? 'operator' : '' })]]}>
    <${Loaded} of=${list} lines=${6}>${() => html`<${Notice}>There is no such policy. <a href="#/policies">All policies</a><//>`}<//><//>`;
}, 'Policy');
