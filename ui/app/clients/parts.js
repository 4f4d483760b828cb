/** What the pages about clients share: links, states, the meter of a prefetch, and closing connections. */
import { html, view } from '../component.js';
import { del, url, withQuery } from '../api.js';
import { number, plural } from '../format.js';
import { refresh } from '../live.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field, Refusal } from '../parts/form.js';
import { Badge } from '../parts/state.js';
import { toast } from '../parts/toast.js';
import { link } from '../router.js';
import { prefetchUse, shortName, stateOf } from './about.js';

export const ConnectionLink = ({ name, children }) => html`<a class="name" href=${link(['connections', name])}>${children ?? shortName(name)}</a>`;
export const ChannelLink = ({ name, children }) => html`<a class="name" href=${link(['channels', name])}>${children ?? shortName(name)}</a>`;
export const QueueLink = ({ vhost, name, query, children }) => html`<a class="name" href=${link(['queues', vhost, name], query)}>${children ?? name}</a>`;

const STATE_ICONS = { bad: 'error', warn: 'warning' };

/** The state of a connection or a channel. */
export function ClientState({ state }) {
  const { tone, words } = stateOf(state);
  return html`<${Badge} tone=${tone} icon=${STATE_ICONS[tone]}>${words}<//>`;
}

/** How much of its prefetch is used: a bar and the numbers. */
export function Prefetch({ unacked, limit }) {
  const { part, isFull, words } = prefetchUse(unacked, limit);
  if (part === null) return html`<span title="Without a prefetch a consumer gets all there is">${number(unacked)} <span class="quiet">no limit</span></span>`;
  return html`<span class="prefetch" title=${isFull ? 'It has as many unacked messages as it may have: it gets no more until it acks' : `${words} unacked messages`}>
    <span class="meter ${isFull ? 'full' : ''}" aria-hidden="true"><span style=${{ width: `${Math.round(part * 100)}%` }}></span></span><span>${words}</span></span>`;
}

/**
 * What can be written in a filter box.
 * @param {{rows: [string, string][]}} props
 */
export const TermsHelp = ({ rows }) => html`<div class="stack"><p>Words are looked for everywhere, <code>key:value</code> in one column. All have to hold; a minus before one means the opposite.</p>
  <table class="help-table"><tbody>${rows.map(([text, says]) => html`<tr key=${text}><td><code>${text}</code></td><td>${says}</td></tr>`)}</tbody></table></div>`;

/** How many are shown of how many there are. */
export const Shown = ({ rows, all, what, many }) => html`<span class="quiet num">${rows === all ? plural(all, what, many) : `${number(rows)} of ${plural(all, what, many)}`}</span>`;

/**
 * Asks why, and closes connections.
 * @param {{name: string, label: string}[]} connections
 * @param {() => void} [done]
 */
export function closeConnections(connections, done) {
  return openDialog({
    title: connections.length === 1 ? `Close the connection ${connections[0].label}?` : `Close ${plural(connections.length, 'connection')}?`,
    draw: (close) => html`<${CloseForm} connections=${connections} close=${close} done=${done} />`,
  });
}

const CloseForm = view(({ connections, close, done }, self) => {
  const reason = self.signal('reason', '');
  const error = self.signal('error', '');
  const isBusy = self.signal('busy', false);
  const submit = async (event) => {
    event.preventDefault();
    isBusy.value = true;
    error.value = '';
    const failures = await closeAll(connections, reason.value.trim());
    isBusy.value = false;
    refresh('/api/connections?');
    if (failures.length > 0) {
      error.value = failures[0].message;
      return;
    }
    toast(`${plural(connections.length, 'connection')} closed.`);
    close(true);
    done?.();
  };
  return html`<form onSubmit=${submit} class="stack">
    <p>What the client has unacked goes back to its queues. Most clients connect again by themselves.</p>
    <${Field} label="Reason" value=${reason} placeholder="Closed via management plugin" help="The client is told this, and the log." autofocus />
    <${Refusal} text=${error.value} />
    <${DialogActions}>
      <button type="button" class="button" onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class="button danger" disabled=${isBusy.value}>Close ${connections.length === 1 ? 'connection' : plural(connections.length, 'connection')}</button>
    <//>
  </form>`;
}, 'CloseForm');

/** Those that were closed already are no failures. */
async function closeAll(connections, reason) {
  const headers = reason === '' ? {} : { 'X-Reason': reason };
  const closing = connections.map(({ name }) => del(url`/api/connections/${name}`, undefined, { headers }));
  const ends = await Promise.allSettled(closing);
  return ends.filter((end) => end.status === 'rejected' && end.reason.status !== 404).map((end) => end.reason);
}

/** The list's path: of one vhost or of all, with only the columns that are shown. */
export function listPath(kind, vhost, columns) {
  const path = vhost ? url`/api/vhosts/${vhost}/` + kind : `/api/${kind}`;
  return withQuery(path, { columns: columns.join(',') });
}
