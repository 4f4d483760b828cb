/** What can be done with messages of a queue: those that were chosen, or all that match the filter. Everything is counted first. */
import { effect, html, signal, untracked, view } from '../component.js';
import { post, url } from '../api.js';
import { number, plural } from '../format.js';
import { refresh } from '../live.js';
import { confirm } from '../parts/confirm.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field, Refusal, submission } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Menu } from '../parts/menu.js';
import { Notice } from '../parts/state.js';
import { failed, toast } from '../parts/toast.js';
import { namesOf } from '../message/names.js';

const base = ({ vhost, name }) => url`/api/coney/queues/${vhost}/${name}/messages`;
const SETTLE_MS = 300;

/**
 * Which messages are meant: `{body, text, isAll}`; `body` is what the API takes.
 */
function meant({ place, peek, filter, selected }) {
  const state = place.state === 'ready' ? {} : { state: place.state };
  const { value: chosen } = selected;
  const found = filter.value;
  if (chosen.size) return { body: { ...state, ids: [...chosen].map(Number) }, text: plural(chosen.size, 'message'), isAll: false };
  if (found.isEmpty) return { body: state, text: 'all messages', isAll: true };
  if (found.isWhole) return { body: { ...state, filter: found.filter }, text: 'all that match', isAll: false };
  const ids = peek.rows.value.map((message) => message.id);
  return { body: { ...state, ids }, text: `the ${number(ids.length)} found`, isAll: false };
}

/** Buttons for what is chosen, or one menu for all that match. */
export const ActionBar = view(({ place, peek, filter, selected, count }) => {
  const target = meant({ place, peek, filter, selected });
  const done = () => { selected.value = new Set(); peek.load(); refresh('/api/queues'); };
  const hasNone = filter.value.isEmpty ? !count : peek.rows.value.length === 0;
  const items = actionsOf(place, target, done).map((item) => ({ ...item, disabled: hasNone || Boolean(filter.value.error) }));
  const text = selected.value.size ? `${number(selected.value.size)} chosen` : filter.value.isEmpty ? 'With all' : 'With all that match';
  return html`<${Menu} label="What to do" icon="down" text=${text} items=${items} buttonClass=${selected.value.size ? 'button primary' : 'button'} />
    ${selected.value.size ? html`<button type="button" class="button quiet-button" onClick=${() => { selected.value = new Set(); }}>Choose none</button>` : null}`;
}, 'ActionBar');

function actionsOf(place, target, done) {
  if (place.state === 'ready') {
    return [
      { label: 'Move', icon: 'move', run: () => transfer('move', place, target, done) },
      { label: 'Copy', icon: 'copy', run: () => transfer('copy', place, target, done) },
      { label: 'Replay dead letters', icon: 'replay', run: () => replay(place, target, done) },
      !target.isAll && { label: 'Delete', icon: 'trash', danger: true, run: () => drop('delete', place, target, done) },
    ].filter(Boolean);
  }
  return [
    { label: place.state === 'delayed' ? 'Deliver now' : 'Make ready again', icon: 'play', run: () => release(place, target, done) },
    { label: 'Delete', icon: 'trash', danger: true, run: () => drop('drop', place, target, done) },
  ];
}

const dryRun = (act, place, body) => post(`${base(place)}/${act}`, { ...body, dry_run: true }, { quiet: true });

/** Delayed or parked messages are ready at once. */
async function release(place, target, done) {
  try {
    const { matched } = await dryRun('release', place, target.body);
    const run = async () => {
      const answer = await post(`${base(place)}/release`, target.body);
      toast(`${plural(answer.done, 'message is', 'messages are')} ready.`);
      done();
    };
    if (matched <= 1) await run();
    else {
      await confirm({ title: 'Deliver them now?', action: 'Deliver now', count: matched, danger: false, run,
        children: html`<p>${plural(matched, 'message')} will be ready at once, in front of the consumers.</p>` });
    }
  } catch (error) {
    failed(error);
  }
}

/** Messages are dropped for good. */
async function drop(act, place, target, done) {
  try {
    const { matched } = await dryRun(act, place, target.body);
    if (!matched) {
      toast('No message matches any more.', { tone: 'info' });
      return;
    }
    await confirm({
      title: `Delete ${plural(matched, 'message')}?`, action: 'Delete', count: matched, name: place.name,
      children: html`<p>${matched === 1 ? 'It is' : 'They are'} dropped from <b>${place.name}</b>: not dead-lettered, and not to be had back.</p>`,
      run: async () => {
        const answer = await post(`${base(place)}/${act}`, target.body);
        toast(`${plural(answer.done, 'message is', 'messages are')} deleted.`);
        done();
      },
    });
  } catch (error) {
    failed(error);
  }
}

/** Dead letters go back to the exchange and key that they were first published with. */
async function replay(place, target, done) {
  try {
    const { matched, without_target: lost } = await dryRun('replay', place, target.body);
    const count = matched;
    await confirm({
      title: 'Replay dead letters?', action: 'Replay', count, danger: false,
      children: html`<p>${plural(count, 'message')} of <b>${place.name}</b> ${count === 1 ? 'goes' : 'go'} back to the exchange and routing key of the first publish.
        Each is in one place at any time, also if the broker is killed meanwhile.</p>
        ${lost ? html`<p>${plural(lost, 'message')} would reach no queue, or ${lost === 1 ? 'is' : 'are'} no dead letter${lost === 1 ? '' : 's'}, and ${lost === 1 ? 'stays' : 'stay'} here.</p>` : null}`,
      run: async () => {
        const answer = await post(`${base(place)}/replay`, target.body);
        toast(`${plural(answer.done, 'message')} replayed${answer.without_target ? `; ${number(answer.without_target)} had nowhere to go` : ''}.`);
        done();
      },
    });
  } catch (error) {
    failed(error);
  }
}

const WORDS = { move: ['Move', 'Moved', 'moved'], copy: ['Copy', 'Copied', 'copied'] };

/**
 * Move or copy: where to, how many it would be, and then it is done.
 * @param {{body: object, text: string, isOne?: boolean}} target `isOne`: there is no number to be limited
 */
export function transfer(act, place, target, done) {
  return openDialog({ title: `${WORDS[act][0]} ${target.text}`, draw: (close) => html`<${Transfer} ...${{ act, place, target, done, close }} />` });
}

const Transfer = view(({ act, place, target, done, close }, self) => {
  const form = self.keep('form', () => ({ kind: signal('queue'), queue: signal(''), exchange: signal(''), key: signal(''), limit: signal('') }));
  const queues = self.keep('queues', () => namesOf('queues', place.vhost));
  const exchanges = self.keep('exchanges', () => namesOf('exchanges', place.vhost));
  const preview = self.signal('preview', null);
  const { error, isBusy, submit } = submission(self, async () => {
    const answer = await post(`${base(place)}/${act}`, bodyOf(form, target));
    toast(`${WORDS[act][1]} ${plural(answer.done, 'message')}${answer.without_target ? `; ${number(answer.without_target)} had nowhere to go` : ''}.`);
    close(true);
    done();
  }, () => Boolean(bodyOf(form, target)));
  self.onMount('preview', () => {
    let timer = null;
    const stop = effect(() => {
      const body = bodyOf(form, target);
      untracked(() => { preview.value = null; error.value = ''; });
      clearTimeout(timer);
      if (body) timer = setTimeout(() => dryRun(act, place, body).then((answer) => { preview.value = answer; }, (problem) => { error.value = problem.message; }), SETTLE_MS);
    });
    return () => { stop(); clearTimeout(timer); };
  });
  const isQueue = form.kind.value === 'queue';
  return html`<form onSubmit=${submit}>
    <${Field} label="To" type="select" value=${form.kind} options=${[['queue', 'a queue'], ['exchange', 'an exchange']]} />
    ${isQueue ? html`<${Field} key="queue" label="Queue" value=${form.queue} list=${queues.names.value.filter((other) => other !== place.name)} required autofocus />`
      : html`<${Field} key="exchange" label="Exchange" value=${form.exchange} list=${exchanges.names.value} required />
        <${Field} key="key" label="Routing key" value=${form.key} help="Empty: each message keeps its own" />`}
    ${target.isOne ? null : html`<${Field} label="At most" value=${form.limit} inputmode="numeric" pattern="[0-9]*" placeholder="all" help="A number of messages, from the head of the queue" />`}
    ${preview.value ? html`<${Notice} tone=${preview.value.without_target ? 'warn' : 'info'}>
      ${plural(preview.value.matched, 'message')} would be ${WORDS[act][2]}.${preview.value.without_target ? ` ${number(preview.value.without_target)} of them would reach no queue, and stay.` : ''}<//>` : null}
    <${Refusal} text=${error.value} />
    <${DialogActions}><button type="button" class="button" onClick=${() => close()}>Cancel</button>
      <button type="submit" class="button primary" disabled=${!preview.value?.matched || isBusy.value}><${Icon} name=${act} />${WORDS[act][0]}${preview.value ? ` ${number(preview.value.matched)}` : ''}</button><//>
  </form>`;
}, 'Transfer');

function bodyOf(form, target) {
  const limit = form.limit.value.trim();
  const more = limit ? { limit: Number(limit) } : {};
  if (limit && !Number.isInteger(more.limit)) return null;
  if (form.kind.value === 'queue') return form.queue.value ? { ...target.body, ...more, to: { queue: form.queue.value } } : null;
  const key = form.key.value ? { routing_key: form.key.value } : {};
  return form.exchange.value ? { ...target.body, ...more, to: { exchange: form.exchange.value, ...key } } : null;
}
