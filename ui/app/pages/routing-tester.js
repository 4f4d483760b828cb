/** Where a message would go: key and headers in, matching bindings, queues and near misses out. Publishes nothing. */
import { computed, effect, html, signal, untracked, view } from '../component.js';
import { post, url } from '../api.js';
import { plural } from '../format.js';
import { link, query, setQuery } from '../router.js';
import { Field, Pairs, pairsOf, tableOf } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';
import { DEFAULT } from './exchange-words.js';
import { outcomeOf } from './routing-answer.js';
import { explain } from './routing-match.js';

const SETTLE_MS = 150;
const KEY_HELP = {
  topic: 'Words with dots between them, as eu.orders.paid', fanout: 'A fanout exchange does not look at it', headers: 'A headers exchange does not look at it', direct: 'Has to be equal to the binding\'s',
};

/**
 * Key and headers are in the address (`?key=`, `?headers=`), so that a question can be sent to somebody.
 * @param {{vhost: string, exchange: string, type?: string}} props
 */
export const RoutingTester = view(({ vhost, exchange, type }, self) => {
  const tester = self.keep('tester', () => testerOf(vhost, exchange));
  const { key, headers, problem, outcome, error } = tester;
  return html`<div class="routing">
    <${Card} title="The message">
      <div class="stack">
        <${Field} label="Routing key" value=${key} help=${KEY_HELP[type]} autofocus />
        <${Pairs} label="Headers" rows=${headers} />
        ${problem.value ? html`<p class="field-error" role="alert">${problem.value}</p>` : null}
      </div>
    <//>
    <div class="stack" aria-live="polite" aria-busy=${outcome.value === null && !error.value ? 'true' : undefined}>
      ${error.value ? html`<${Notice} tone="bad">${error.value}<//>` : null}
      ${outcome.value === null ? null : html`<${Outcome} ...${{ outcome: outcome.value, vhost, asked: tester.asked.value }} />`}
    </div>
  </div>`;
}, 'RoutingTester');

/** What is asked follows the fields, the address too; the answer follows what is asked. */
function testerOf(vhost, exchange) {
  const key = signal(query.peek().key ?? '');
  const headers = signal(pairsOf(parsed(query.peek().headers)));
  const [outcome, error, asked] = [signal(null), signal(''), signal({ key: '', headers: {} })];
  const question = computed(() => {
    try {
      return { routing_key: key.value, headers: tableOf(headers.value) };
    } catch (problem) {
      return { problem: problem.message };
    }
  });
  let timer = null;
  let turn = 0;
  const ask = async ({ problem, ...body }) => {
    if (problem) return;
    turn += 1;
    const mine = turn;
    try {
      const answer = await post(url`/api/coney/routing/${vhost}/${exchange || DEFAULT}`, body, { quiet: true });
      if (mine !== turn) return;
      asked.value = { key: body.routing_key, headers: body.headers };
      outcome.value = outcomeOf(answer);
      error.value = '';
    } catch (failure) {
      if (mine === turn) error.value = failure.message;
    }
  };
  const stop = effect(() => {
    const now = question.value;
    clearTimeout(timer);
    timer = setTimeout(() => untracked(() => {
      keepInAddress(now);
      ask(now);
    }), SETTLE_MS);
  });
  return {
    key, headers, outcome, error, asked, problem: computed(() => question.value.problem ?? ''),
    dispose: () => { stop(); clearTimeout(timer); turn += 1; },
  };
}

function keepInAddress({ problem, routing_key: key, headers }) {
  if (problem) return;
  setQuery({ key: key ?? '', headers: Object.keys(headers).length > 0 ? JSON.stringify(headers) : '' }, { replace: true });
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

const Outcome = view(({ outcome: { queues, stations }, vhost, asked }) => html`<${Card} title=${queues.length === 0 ? 'It would reach no queue' : `It would reach ${plural(queues.length, 'queue')}`}>
    ${queues.length === 0 ? html`<p class="with-icon"><span class="warn"><${Icon} name="warning" /></span><span>It would be dropped; if it is published as mandatory, it comes back to its publisher.</span></p>`
      : html`<ul class="plain chips">${queues.map((queue) => html`<li key=${queue}><a class="chip" href=${link(['queues', vhost, queue])}><${Icon} name="queues" /><span class="cut" title=${queue}>${queue}</span></a></li>`)}</ul>`}
  <//>
  ${stations.map((station) => html`<${Station} key=${station.exchange} ...${{ station, vhost, asked }} />`)}`, 'Outcome');

/** What becomes of it at an exchange. */
function Station({ station: { exchange, type, hits, misses, notes }, vhost, asked }) {
  const name = exchange === '' ? 'the default exchange' : html`<a href=${link(['exchanges', vhost, exchange])}>${exchange}</a>`;
  const lines = (bindings, isHit) => bindings.map((hit) => html`<${Line} key=${keyOf(hit)} ...${{ hit, vhost, type, asked, isHit }} />`);
  return html`<${Card} title=${html`At ${name}${type ? html` <span class="quiet">${type}</span>` : null}`}>
    ${notes.map((note) => html`<p key=${note} class="quiet">${note}</p>`)}
    ${hits.length === 0 ? html`<p>No binding takes it.</p>` : html`<ul class="plain bindings">${lines(hits, true)}</ul>`}
    ${misses.length === 0 ? null : html`<h3 class="routing-nearly">Nearly</h3><ul class="plain bindings">${lines(misses, false)}</ul>`}
  <//>`;
}

const keyOf = ({ binding }) => `${binding.destination_type} ${binding.destination} ${binding.routing_key} ${JSON.stringify(binding.arguments)}`;

/** A binding, with what of it fits. */
function Line({ hit: { binding, why }, vhost, type, asked, isHit }) {
  // The broker decides. Words are marked only where they tell the same.
  const told = explain(type, binding, asked.key, asked.headers);
  const explained = told?.isMatch === isHit ? told : null;
  const isQueue = binding.destination_type !== 'exchange';
  const to = isQueue ? link(['queues', vhost, binding.destination]) : link(['exchanges', vhost, binding.destination]);
  const reason = why ?? (isHit ? null : explained?.why);
  return html`<li class="binding">
    <span class="binding-key"><${Key} binding=${binding} explained=${explained} type=${type} /></span>
    <${Icon} name="right" />
    <span class="with-icon"><${Icon} name=${isQueue ? 'queues' : 'exchanges'} label=${isQueue ? 'queue' : 'exchange'} /><a href=${to}>${binding.destination}</a></span>
    ${reason ? html`<span class="binding-why quiet">${reason}</span>` : null}
    ${isHit ? html`<${Badge} tone="good" icon="check">takes it<//>` : null}
  </li>`;
}

function Key({ binding, explained, type }) {
  if (explained === null || explained.parts.length === 0) return html`<code>${binding.routing_key || 'no key'}</code>`;
  const between = type === 'headers' ? ', ' : '.';
  return html`<code>${explained.parts.map(({ text, fits }, at) => html`<span key=${at}>${at > 0 ? between : ''}<span class=${fits ? 'fits' : 'misses'}>${text || '(empty)'}</span></span>`)}</code>`;
}
