/** What is wrong, worst first, with a way to it. */
import { computed, html, view } from '../component.js';
import { plural } from '../format.js';
import { live } from '../live.js';
import { link } from '../router.js';
import { Icon } from '../parts/icon.js';
import { problemOf } from './queue-problem.js';

const SHOWN = 8;

/** The tab of a queue that shows what is wrong with it. */
const TABS = { failing: 'failures', dropped: 'failures', refused: 'failures', parked: 'parked', 'prefetch-full': 'unacked' };

/** Where a problem is to be seen. */
export function hrefOf(target, problem) {
  if (!target) return undefined;
  const { kind, vhost, name } = target;
  switch (kind) {
    case 'queue': return link(['queues', vhost, name], { tab: TABS[problem] ?? '' });
    case 'exchange': return link(['exchanges', vhost, name || 'amq.default']);
    case 'connection': return link(['connections', name]);
    case 'channel': return link(['channels', name]);
    case 'user': return link(['users', name]);
    case 'node': return link('/admin');
    case 'queues': case 'connections': case 'failures': return link(`/${kind}`, { vhost });
    default: return undefined;
  }
}

/** Of a server that does not tell: what its numbers say. */
function derived(nodes, queues) {
  const alarms = (nodes ?? []).flatMap((node) => [
    node.mem_alarm && { severity: 'bad', sentence: 'The memory alarm is on: publishers wait until consumers have taken messages.', target: { kind: 'node', name: node.name } },
    node.disk_free_alarm && { severity: 'bad', sentence: 'The disk alarm is on: publishers wait until there is room.', target: { kind: 'node', name: node.name } },
  ].filter(Boolean));
  const found = (queues ?? []).map((queue) => ({ queue, problem: problemOf(queue) })).filter(({ problem }) => problem);
  return [...alarms, ...found.map(({ queue, problem }) => ({
    severity: problem.tone, sentence: `${queue.name}: ${problem.help.charAt(0).toLowerCase()}${problem.help.slice(1)} (${plural(queue.messages, 'message')}).`,
    target: { kind: 'queue', vhost: queue.vhost, name: queue.name },
  }))];
}

const FIELDS = 'name,vhost,state,messages,messages_ready,messages_delayed,messages_parked,consumers,consumer_capacity,message_stats,messages_details';

export const Problems = view(({ nodes }, self) => {
  const told = self.keep('told', () => live('/api/coney/problems'));
  const isAsked = self.keep('asked', () => computed(() => told.error.value?.status === 404));
  const queues = self.keep('queues', () => live(() => (isAsked.value ? `/api/queues?page=1&page_size=100&sort=messages&sort_reverse=true&columns=${FIELDS}` : null)));
  const isAll = self.signal('all', false);
  const body = told.data.value;
  const list = body ? body.problems ?? body : isAsked.value && queues.data.value ? derived(nodes.data.value, queues.data.value.items) : null;
  if (!list) return html`<section class="problems" aria-busy="true"><h2 class="sr-only">What is wrong</h2><div class="problem"><span class="skeleton-line grow"></span></div></section>`;
  if (!list.length) {
    return html`<section class="problems"><h2 class="sr-only">What is wrong</h2><div class="problem problem-good"><${Icon} name="ok" /><span>All is well: no alarms, no queue is stuck, nothing fails.</span></div></section>`;
  }
  const shown = isAll.value ? list : list.slice(0, SHOWN);
  return html`<section class="problems" aria-labelledby="problems-title">
    <h2 id="problems-title">${plural(list.length, 'thing needs', 'things need')} attention</h2>
    <ul class="plain">${shown.map((problem, i) => html`<${Problem} key=${`${i} ${problem.sentence}`} problem=${problem} />`)}</ul>
    ${list.length > SHOWN ? html`<button type="button" class="button small" onClick=${() => { isAll.value = !isAll.value; }}>${isAll.value ? 'Show fewer' : `Show all ${list.length}`}</button>` : null}
  </section>`;
}, 'Problems');

const TONES = { critical: 'bad', bad: 'bad', warning: 'warn', note: 'info' };
const ICONS = { bad: 'error', warn: 'warning', info: 'info' };
/** `the queue grows` -> `The queue grows.`; a name stays as it is. */
const asSentence = (text, name) => `${name && text.startsWith(name) ? text.charAt(0) : text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

const Problem = view(({ problem }) => {
  const tone = TONES[problem.severity] ?? 'warn';
  const href = hrefOf(problem.target, problem.kind);
  const inside = html`<${Icon} name=${ICONS[tone]} label=${problem.severity} /><span class="grow">${asSentence(problem.sentence, problem.target?.name)}</span>${href ? html`<${Icon} name="right" />` : null}`;
  return html`<li>${href ? html`<a class="problem problem-${tone}" href=${href}>${inside}</a>` : html`<div class="problem problem-${tone}">${inside}</div>`}</li>`;
}, 'Problem');
