/** Replays, moves, drops or releases the messages of a group: first it says how many that would be. */
import { html, view } from '../component.js';
import { get, post, url, withQuery } from '../api.js';
import { number, plural } from '../format.js';
import { refresh } from '../live.js';
import { NAME_ABOVE } from '../parts/confirm.js';
import { DialogActions, openDialog } from '../parts/dialog.js';
import { Field, submission } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { toast } from '../parts/toast.js';
import { belongs, deadLetterAction, LOOKED_AT_MAX, sentence, waitingAction } from './actions.js';
import { kindOf } from './kinds.js';

const TITLES = { replay: 'Replay messages', move: 'Move messages', drop: 'Drop messages', release: 'Try messages again' };
const VERBS = { replay: 'Replay', move: 'Move', drop: 'Drop', release: 'Release' };
const PAGE = 100;
const SETTLE_MS = 300;

/** @param {{kind: 'replay' | 'move' | 'drop' | 'release', group: any, hasSiblings: boolean}} about */
export function openAction({ kind, group, hasSiblings }) {
  return openDialog({ title: TITLES[kind], draw: (close) => html`<${ActionForm} kind=${kind} group=${group} hasSiblings=${hasSiblings} close=${close} />` });
}

/** The positions of those that belong to the group, in a queue of dead letters: the broker's filter does not know errors. */
async function lookFor(group, queue, state) {
  const ids = [];
  for (let offset = 0; offset < LOOKED_AT_MAX && !state.isOver; offset += PAGE) {
    const messages = await get(withQuery(url`/api/coney/queues/${group.vhost}/${queue}/messages`, { state: 'ready', offset, limit: PAGE, truncate: 1 }));
    for (const message of messages) if (belongs(message, group)) ids.push(message.id);
    state.onProgress(offset + messages.length, ids.length);
    if (messages.length < PAGE) return { ids, isWhole: true };
  }
  return { ids, isWhole: false };
}

const ActionForm = view(({ kind, group, hasSiblings, close }, self) => {
  const isElsewhere = kindOf(group.what).fate === 'elsewhere';
  const [queue, target, exchange, key] = [self.signal('queue', group.to[0] ?? ''), self.signal('target', ''), self.signal('exchange', ''), self.signal('key', '')];
  const [way, typed] = [self.signal('way', 'queue'), self.signal('typed', '')];
  const [found, progress] = [self.signal('found', null), self.signal('progress', '')];
  const { error, isBusy, submit } = submission(self, async () => {
    const action = actionOf(found.value.ids);
    const told = await post(action.path, action.body);
    toast(sentence(action, told.done, true) + (told.without_target ? ` ${plural(told.without_target, 'has', 'have')} nowhere to go and ${told.without_target === 1 ? 'stays' : 'stay'}.` : ''));
    refresh();
    close(true);
  }, () => isReady);
  const destination = () => (way.value === 'queue' ? { queue: target.value.trim() } : { exchange: exchange.value.trim(), ...(key.value.trim() ? { routing_key: key.value.trim() } : {}) });
  const actionOf = (ids) => (isElsewhere ? deadLetterAction(kind, group, queue.value, { ids, to: destination() }) : waitingAction(kind, group));
  const look = self.keep('look', () => lookAhead({ group, actionOf, queue, found, error, progress, needsLook: isElsewhere && (hasSiblings || group.error !== null), isReady: () => kind !== 'move' || Object.values(destination())[0] !== '' }));
  self.onMount('look', () => {
    look.now();
    return look.stop;
  });
  const where = actionOf(null).queue;
  const count = found.value?.matched ?? 0;
  const asksName = kind === 'drop' && count > NAME_ABOVE;
  const isReady = found.value && count > 0 && !isBusy.value && (!asksName || typed.value === where);
  return html`<form onSubmit=${submit}>
    ${isElsewhere && group.to.length > 1 ? html`<${Field} label="Those that are now in" type="select" value=${queue} options=${group.to} onChange=${look.soon} />` : null}
    ${kind === 'move' ? html`<${Destination} ...${{ way, target, exchange, key, onChange: look.soon }} />` : null}
    <${WhatWillBe} found=${found.value} progress=${progress.value} error=${error.value} action=${actionOf(null)} isAsked=${kind !== 'move' || Object.values(destination())[0] !== ''} />
    ${asksName ? html`<${Field} label=${html`Type <code>${where}</code> to confirm`} value=${typed} />` : null}
    <${DialogActions}><button type="button" class="button" onClick=${() => close(false)}>Cancel</button>
      <button type="submit" class=${kind === 'drop' ? 'button danger' : 'button primary'} disabled=${!isReady}>${VERBS[kind]}${count ? ` ${plural(count, 'message')}` : ''}</button><//>
  </form>`;
}, 'ActionForm');

const Destination = view(({ way, target, exchange, key, onChange }) => html`<div class="fields">
  <${Field} label="To" type="select" value=${way} options=${[['queue', 'a queue'], ['exchange', 'an exchange']]} onChange=${onChange} />
  ${way.value === 'queue' ? html`<${Field} label="Queue" value=${target} autofocus onChange=${onChange} />`
    : html`<${Field} label="Exchange" value=${exchange} onChange=${onChange} /><${Field} label="Routing key" value=${key} placeholder="their own" onChange=${onChange} />`}</div>`, 'Destination');

function WhatWillBe({ found, progress, error, action, isAsked }) {
  if (error) return html`<p class="field-error" role="alert">${error}</p>`;
  if (!isAsked) return html`<p class="quiet">Say where to, and you see how many it will be. Nothing is done yet.</p>`;
  if (!found) return html`<p class="quiet" role="status">${progress || 'Counting …'}</p>`;
  if (found.matched === 0) return html`<p role="status"><${Icon} name="info" /> None of them is there any more: they were dealt with already.</p>`;
  return html`<p role="status"><b>${sentence(action, found.matched, false)}</b></p>
    ${found.without_target ? html`<p class="warn">${plural(found.without_target, 'of them has', 'of them have')} nowhere to go, and will stay.</p>` : null}
    ${found.isWhole === false ? html`<p class="quiet">The first ${number(LOOKED_AT_MAX)} messages of the queue were looked at; do it again for the rest.</p>` : null}
    ${action.kind === 'drop' ? html`<p class="quiet">This cannot be undone.</p>` : null}`;
}

/** Counts: a dry run, after those that belong to the group were looked for if that is needed. */
function lookAhead({ group, actionOf, queue, found, error, progress, needsLook, isReady }) {
  let timer = null;
  let state = { isOver: false };
  const run = async () => {
    state.isOver = true;
    const mine = { isOver: false, onProgress: (seen, hits) => { progress.value = `Looked at ${plural(seen, 'message')}, ${plural(hits, 'match', 'matches')} …`; } };
    state = mine;
    [found.value, error.value, progress.value] = [null, '', ''];
    if (!isReady()) return;
    try {
      const { ids, isWhole } = needsLook ? await lookFor(group, queue.value, mine) : { ids: null, isWhole: true };
      if (mine.isOver) return;
      if (ids?.length === 0) {
        found.value = { matched: 0, ids };
        return;
      }
      const action = actionOf(ids);
      const told = await post(action.path, { ...action.body, dry_run: true }, { quiet: true });
      if (!mine.isOver) found.value = { matched: told.matched, without_target: told.without_target, ids, isWhole };
    } catch (problem) {
      if (!mine.isOver) error.value = problem.message;
    }
  };
  return {
    now: run,
    soon: () => {
      clearTimeout(timer);
      timer = setTimeout(run, SETTLE_MS);
    },
    stop: () => {
      clearTimeout(timer);
      state.isOver = true;
    },
  };
}
