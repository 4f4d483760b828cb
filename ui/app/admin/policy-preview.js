/** What a policy would match and change, as the broker says. */
import { effect, html, view } from '../component.js';
import { post, url } from '../api.js';
import { number, plural } from '../format.js';
import { Icon } from '../parts/icon.js';
import { Card } from '../parts/page.js';
import { link } from '../router.js';
import { ChangeList } from './change-list.js';
import { changesOf } from './preview.js';

const SETTLE_MS = 300;
const SHOWN = 50;

/** Asks whenever the form has changed and is whole. */
function asker(form, isOperator, { answer, error }) {
  let timer = null;
  let asked = null;
  return effect(() => {
    const { policy } = form.made.value;
    const [vhost, name] = [form.vhost.value, form.name.value.trim()];
    clearTimeout(timer);
    if (!policy) return;
    timer = setTimeout(async () => {
      const mine = { policy };
      asked = mine;
      try {
        const told = await post(url`/api/coney/policies/${vhost}/preview`, { name: name || 'new policy', ...policy, operator: isOperator }, { quiet: true });
        if (asked === mine) [answer.value, error.value] = [told, null];
      } catch (problem) {
        if (asked === mine) [answer.value, error.value] = [null, problem];
      }
    }, SETTLE_MS);
  });
}

export const Preview = view(({ form, isOperator }, self) => {
  const answer = self.signal('answer', null);
  const error = self.signal('error', null);
  self.onMount('ask', () => asker(form, isOperator, { answer, error }));
  const isWhole = form.made.value.policy !== null || Object.keys(form.made.value.errors).join() === 'name';
  return html`<${Card} title="What it would change" class="preview">
    <div class="preview-box" tabindex="0" role="region" aria-label="What it would change" aria-live="polite">${drawn({ answer: answer.value, error: error.value, isWhole, vhost: form.vhost.value })}</div><//>`;
}, 'Preview');

function drawn({ answer, error, isWhole, vhost }) {
  if (error) return html`<p class="field-error">${error.message}</p>`;
  if (!answer) return html`<p class="quiet">${isWhole ? 'Asking the broker …' : 'Fill in the form, and the broker tells before anything is saved.'}</p>`;
  const { queues, exchanges, matched, changed, same, outranked, leftOut } = changesOf(answer);
  if (matched === 0 && changed.length === 0) return html`<p class="row"><${Icon} name="warning" /><b>It matches nothing at the moment.</b></p><p class="quiet">What is declared later with a name that matches gets it.</p>`;
  return html`<div class="stack">
    <p>It matches <b>${[queues && plural(queues, 'queue'), exchanges && plural(exchanges, 'exchange')].filter(Boolean).join(' and ') || 'nothing any more'}</b>. ${changed.length === 0 ? 'Nothing changes.' : html`Something changes for <b>${number(changed.length)}</b>.`}${' '}
      ${same > 0 ? html`<span class="quiet">${number(same)} ${same === 1 ? 'stays' : 'stay'} as before.</span>` : null} ${outranked > 0 ? html`<span class="quiet">For ${number(outranked)} another policy counts.</span>` : null}</p>
    <ul class="plain preview-list">${changed.slice(0, SHOWN).map((one) => html`<li key=${`${one.kind} ${one.name}`}>
      <a href=${link([one.kind === 'exchange' ? 'exchanges' : 'queues', vhost, one.name])}>${one.name}</a>
      ${one.was ? html`<span class="quiet small"> has the policy ${one.was} now</span>` : null}${one.isLeft ? html`<span class="quiet small"> is not matched any more</span>` : null}
      <${ChangeList} changes=${one.changes} /></li>`)}</ul>
    ${changed.length + leftOut > SHOWN ? html`<p class="quiet">And ${plural(changed.length + leftOut - SHOWN, 'more', 'more')}.</p>` : null}
  </div>`;
}
