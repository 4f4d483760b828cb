/** One group of failures: what happened, to which messages, and what can be done. */
import { html, view } from '../component.js';
import { number } from '../format.js';
import { Icon } from '../parts/icon.js';
import { Card, Facts } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { When } from '../parts/time.js';
import { link } from '../router.js';
import { can } from '../session.js';
import { offeredActions } from './actions.js';
import { openAction } from './action-dialog.js';
import { EventsOf } from './event-list.js';
import { alike } from './groups.js';
import { kindOf, reasonInWords } from './kinds.js';

const ACTIONS = {
  replay: ['replay', 'Replay', 'Send them back to where they came from'],
  move: ['move', 'Move', 'To another queue or exchange'],
  release: ['play', 'Try again now', 'Make them ready at once'],
  drop: ['trash', 'Drop', 'They are gone then'],
};
const POSITIONS_SHOWN = 12;

/** @param {{group: import('./groups.js').Group, hasSiblings: boolean, close: () => void}} props */
export const GroupPanel = view(({ group, hasSiblings, close }) => {
  const kind = kindOf(group.what);
  const filter = { ...(group.queue ? { queue: group.queue } : { exchange: group.exchange ?? undefined }), what: group.what, reason: group.reason ?? undefined };
  return html`<aside class="panel stack" aria-label="One group">
    <${Card} title=${group.queue ?? (group.exchange || 'The default exchange')} actions=${html`<button type="button" class="icon-button" aria-label="Close" title="Close" onClick=${close}><${Icon} name="close" /></button>`}>
      <div class="stack">
        <p><${Badge} tone=${kind.tone}>${kind.label}<//> ${kind.help}</p>
        ${group.sentence ? html`<blockquote class="sentence">${group.sentence}</blockquote>` : null}
        <${Facts} items=${[
    ['Count', number(group.count)], ['Last', html`<${When} at=${group.last} />`], ['First', html`<${When} at=${group.first} />`], ['Virtual host', group.vhost],
    group.reason && ['Reason', reasonInWords(group.reason)], group.to.length > 0 && ['Went to', group.to.map((name, i) => html`${i ? ', ' : ''}<a href=${link(['queues', group.vhost, name])}>${name}</a>`)],
  ]} />
        ${group.error ? html`<p class="error-text mono">${group.error}</p>` : null}
        <${Positions} group=${group} />
        <${Actions} group=${group} hasSiblings=${hasSiblings} />
      </div><//>
    <${EventsOf} title="The newest of them" vhost=${group.vhost} filter=${filter} keep=${(event) => alike(event.error) === alike(group.error)} />
  </aside>`;
}, 'GroupPanel');

function Positions({ group }) {
  if (!group.queue || group.positions.length === 0) return null;
  return html`<div><p class="quiet small">Messages, newest first</p><p class="positions">${group.positions.slice(0, POSITIONS_SHOWN).map((position) => html`<a key=${position} class="num" href=${link(['queues', group.vhost, group.queue, 'messages', position])}>#${position}</a> `)}</p></div>`;
}

function Actions({ group, hasSiblings }) {
  const offered = can('write', group.vhost) ? offeredActions(group) : [];
  if (offered.length === 0) return html`<${Advice} group=${group} />`;
  return html`<div class="row">${offered.map((kind) => {
    const [icon, label, title] = ACTIONS[kind];
    return html`<button key=${kind} type="button" class=${kind === 'drop' ? 'button danger-quiet' : 'button'} title=${title} onClick=${() => openAction({ kind, group, hasSiblings })}><${Icon} name=${icon} />${label} …</button>`;
  })}</div>`;
}

/** What helps against it, where there is nothing to do for those that failed. */
function Advice({ group }) {
  switch (group.what) {
    case 'unroutable':
    case 'returned':
      return html`<p class="quiet">Find out with the <a href=${link('/routing', { vhost: group.vhost, exchange: group.exchange ?? '' })}>routing tester</a> why no binding matched. An alternate exchange keeps what would be lost.</p>`;
    case 'dropped':
      return html`<p class="quiet">With a dead-letter exchange they would be kept: set one for the queue or by a <a href=${link('/policies', { new: 1, vhost: group.vhost })}>policy</a>.</p>`;
    case 'dead-lettered':
      return html`<p class="quiet">The dead-letter exchange routed them to no queue: they are gone.</p>`;
    case 'refused':
      return html`<p class="quiet">Their publishers were told, if they asked for confirms.</p>`;
    case 'duplicate':
      return html`<p class="quiet">Nothing is lost: the first of each is there.</p>`;
    default:
      return group.queue ? html`<p class="quiet">They are in <a href=${link(['queues', group.vhost, group.queue])}>${group.queue}</a> again, or were since.</p>` : null;
  }
}
