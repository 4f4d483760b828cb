/** The recorder: everything that happens to some messages, for a while. */
import { computed, effect, html, signal, stored, view } from '../component.js';
import { download } from '../admin/download.js';
import { openForm } from '../admin/form-dialog.js';
import { del, get, post, url, withQuery } from '../api.js';
import { EventList } from '../failures/event-list.js';
import { feed, journalPath, utcOffset } from '../failures/feed.js';
import { number, plural } from '../format.js';
import { live, refresh } from '../live.js';
import { Empty, Loaded, Skeleton } from '../parts/empty.js';
import { Field } from '../parts/form.js';
import { Icon } from '../parts/icon.js';
import { Card, Page } from '../parts/page.js';
import { Badge, Notice } from '../parts/state.js';
import { Due, When } from '../parts/time.js';
import { attempt, toast } from '../parts/toast.js';
import { query, setQuery } from '../router.js';
import { BY, emptyRule, ended, fileName, filterOf, inWords, isSame, remembered, ruleOf } from '../recorder/rules.js';
import { can, vhosts } from '../session.js';

const REMEMBERED = 30;
const PAGE = 1000;
/** Events that are shown; a file has all. */
const SHOWN = 200;
/** Events that an exported file has at most. */
const EXPORTED_MAX = 100_000;

/** Rules that were seen in this browser, by vhost. */
const seen = stored('recordings', {});

const vhostOf = () => query.value.vhost || (vhosts.value.includes('/') ? '/' : (vhosts.value[0] ?? '/'));
const keyOf = (rule) => `${rule.id}-${rule.since}`;

/** A new rule. */
function add(vhost) {
  const form = Object.fromEntries(Object.entries(emptyRule()).map(([key, value]) => [key, signal(value)]));
  const wasTried = signal(false);
  const made = computed(() => ruleOf(Object.fromEntries(Object.entries(form).map(([key, value]) => [key, value.value])), Date.now()));
  const error = (key) => (wasTried.value ? made.value.errors[key] : undefined);
  const names = { queue: 'Queue', exchange: 'Exchange', header: 'Header', message_id: 'Message id' };
  return openForm({
    title: 'Record messages', action: 'Record',
    draw: () => html`<${Field} label="Of" type="select" value=${form.by} options=${BY.map(([key, label]) => [key, label])} help=${BY.find(([key]) => key === form.by.value)[2]} />
      ${form.by.value === 'all' ? null : html`<div class="fields"><${Field} label=${names[form.by.value]} value=${form.name} error=${error('name')} autofocus />
        ${form.by.value === 'header' ? html`<${Field} label="Has the value" value=${form.value} />` : null}</div>`}
      <div class="fields"><${Field} label="Only the next" value=${form.next} type="number" min="1" placeholder="as many as come" help="Messages, each until it is done with." error=${error('next')} />
        <${Field} label="For so many minutes" value=${form.minutes} type="number" min="1" max="1380" help="Then it ends by itself." error=${error('minutes')} /></div>
      <p class="quiet">What is recorded goes to the journal, which has room for the newest events only. It costs some throughput.</p>`,
    save: async () => {
      wasTried.value = true;
      if (!made.value.rule) throw new Error('Something is missing.');
      await post(url`/api/coney/recordings/${vhost}`, made.value.rule);
      refresh(url`/api/coney/recordings/${vhost}`);
      toast('It records.');
    },
  });
}

const stop = (vhost, rule) => attempt(async () => {
  await del(url`/api/coney/recordings/${vhost}/${rule.id}`);
  refresh(url`/api/coney/recordings/${vhost}`);
}, 'The recording has ended. What it recorded stays in the journal as long as there is room.');

/** All that the journal still has of it, as a file. */
async function save(vhost, rule) {
  const events = [];
  let after = 0;
  while (events.length < EXPORTED_MAX) {
    const page = await get(withQuery(journalPath(vhost), { ...filterOf(rule), after, limit: PAGE, utc_offset_min: utcOffset() }));
    events.push(...page.events.filter((event) => isOf(rule, event)));
    if (page.events.length < PAGE) break;
    after = page.events.at(-1).number;
  }
  download(fileName(rule, new Date()), JSON.stringify({ vhost, recording: rule, exported_at: new Date().toISOString(), events }, null, 2));
  toast(`${plural(events.length, 'event')} saved.`);
}

const isOf = (rule, event) => event.at >= rule.since && (!rule.ended_at || event.at <= rule.ended_at + 1000);

const Rule = view(({ vhost, rule, isOn }) => {
  const key = keyOf(rule);
  const isOpen = query.value.rule === key;
  return html`<li class="rule ${isOpen ? 'open' : ''}">
    <button type="button" class="rule-main" aria-expanded=${isOpen ? 'true' : 'false'} onClick=${() => setQuery({ rule: isOpen ? '' : key })}>
      <${Icon} name=${isOpen ? 'down' : 'right'} /><span class="rule-name">${inWords(rule)}</span>
      ${isOn ? html`<${Badge} tone="good" icon="recorder">records<//>` : html`<${Badge}>ended<//>`}</button>
    <span class="quiet num rule-count">${isOn ? html`${plural(rule.recorded ?? 0, 'message')}${rule.next ? ` of ${number(rule.next)}` : ''}, ${plural(rule.events ?? 0, 'event')} · ends <${Due} at=${rule.until} />` : html`since <${When} at=${rule.since} />`}</span>
    <span class="row nowrap-row"><button type="button" class="button small" onClick=${() => attempt(() => save(vhost, rule))}><${Icon} name="download" />JSON</button>
      ${isOn && can('policymaker', vhost) ? html`<button type="button" class="button small" onClick=${() => stop(vhost, rule)}>End</button>` : null}
      ${isOn ? null : html`<button type="button" class="icon-button small" aria-label="Forget ${inWords(rule)}" title="Forget" onClick=${() => forget(vhost, rule)}><${Icon} name="close" /></button>`}</span>
  </li>`;
}, 'Rule');

function forget(vhost, rule) {
  seen.value = { ...seen.value, [vhost]: (seen.value[vhost] ?? []).filter((other) => !isSame(other, rule)) };
}

/** What a rule recorded, as it comes. */
const Recorded = view(({ vhost, rule, isOn }, self) => {
  const followed = self.keep('feed', () => feed(() => ({ vhost, filter: filterOf(rule) }), { kept: SHOWN }));
  const events = followed.events.value.filter((event) => isOf(rule, event));
  return html`<${Card} title=${`What happened to ${inWords(rule)}`}>
    ${rule.header ? html`<p class="quiet spaced">The journal does not know headers: what other recordings noted meanwhile is here, too.</p>` : null}
    ${followed.error.value ? html`<${Notice} tone="bad">${followed.error.value.message}<//>` : null}
    ${events.length ? html`<${EventList} events=${events} />` : followed.isHere.value ? html`<${Empty} icon="recorder" title="Nothing yet">${isOn ? 'It is shown as it happens.' : 'Or the journal had no room for it any more.'}<//>` : html`<${Skeleton} lines=${4} />`}<//>`;
}, 'Recorded');

const VhostOf = view(() => (vhosts.value.length < 2 ? null : html`<span class="select"><select aria-label="Virtual host" value=${vhostOf()} onChange=${(event) => setQuery({ vhost: event.target.value, rule: '' })}>
  ${vhosts.value.map((name) => html`<option key=${name} value=${name} selected=${name === vhostOf()}>${name}</option>`)}</select><${Icon} name="down" /></span>`), 'VhostOf');

const Rules = view(({ vhost }, self) => {
  const rules = self.keep('rules', () => live(url`/api/coney/recordings/${vhost}`));
  self.onMount('remember', () => effect(() => {
    const on = rules.data.value;
    if (!on) return;
    const before = seen.peek()[vhost] ?? [];
    const noted = before.map((rule) => (rule.ended_at || on.some((other) => isSame(other, rule)) ? rule : { ...rule, ended_at: Date.now() }));
    seen.value = { ...seen.peek(), [vhost]: remembered(noted, on, REMEMBERED) };
  }));
  const past = ended(seen.value[vhost] ?? [], rules.data.value ?? []);
  const all = [...(rules.data.value ?? []), ...past];
  const open = all.find((rule) => keyOf(rule) === query.value.rule);
  const isOn = (rule) => !past.includes(rule);
  return html`<${Loaded} of=${rules} lines=${4}>${() => html`
    <${Card} class="rules-card">${all.length ? html`<ul class="plain rules">${all.map((rule) => html`<${Rule} key=${keyOf(rule)} vhost=${vhost} rule=${rule} isOn=${isOn(rule)} />`)}</ul>`
    : html`<${Empty} icon="recorder" title="Nothing is recorded">Failures are always noted. To see everything that happens to some messages, from being published to being acked, record them for a while.<//>`}<//>
    ${open ? html`<${Recorded} key=${keyOf(open)} vhost=${vhost} rule=${open} isOn=${isOn(open)} />` : null}`}<//>`;
}, 'Rules');

export default view(() => {
  const vhost = vhostOf();
  return html`<${Page} title="Recorder" lead="Published, routed, delivered, acked: every step of the messages that you choose, until you have seen enough."
      actions=${html`<${VhostOf} />${can('policymaker', vhost) ? html`<button type="button" class="button primary" onClick=${() => add(vhost)}><${Icon} name="recorder" />Record</button>` : null}`}>
    <${Rules} key=${vhost} vhost=${vhost} /><//>`;
}, 'Recorder');
