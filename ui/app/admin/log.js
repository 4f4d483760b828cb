/** The newest lines of the broker's log, as they come. */
import { computed, html, view } from '../component.js';
import { withQuery } from '../api.js';
import { live } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Field } from '../parts/form.js';
import { Card } from '../parts/page.js';
import { Badge } from '../parts/state.js';
import { When } from '../parts/time.js';
import { query, setQuery } from '../router.js';
import { linesOf } from './log-lines.js';

const LEVELS = [['', 'all levels'], ['error', 'errors'], ['warn', 'warnings and errors'], ['info', 'information and above'], ['debug', 'debug and above']];
const TONES = { error: 'bad', warn: 'warn', info: 'plain', debug: 'plain', trace: 'plain' };

const Level = view(() => {
  const level = { get value() { return query.value.level ?? ''; }, set value(text) { setQuery({ level: text }, { replace: true }); } };
  return html`<${Field} label="Level" hideLabel type="select" value=${level} options=${LEVELS} />`;
}, 'Level');

export const Log = view((_, self) => {
  const log = self.keep('log', () => live(() => withQuery('/api/coney/log', { level: query.value.level, contains: query.value.filter }), { keep: true }));
  const lines = self.keep('lines', () => computed(() => linesOf(log.data.value)));
  return html`<div class="stack">
    <div class="toolbar"><${Filter} label="Filter lines" placeholder="Filter: text in a line" /><${Level} /></div>
    <${Loaded} of=${log} lines=${8}>${() => (lines.value.length === 0 ? html`<${Card}><${Empty} icon="info" title="No line matches">The last 1,000 lines are kept.<//><//>`
    : html`<${Card} class="log-card"><ol class="log" aria-label="Log, newest first">${lines.value.map((line) => html`<li key=${line.number} class="log-line">
      <${When} at=${line.at} /><span><${Badge} tone=${TONES[line.level] ?? 'plain'}>${line.level}<//></span><span class="log-text">${line.text}<span class="quiet"> ${line.target}</span></span></li>`)}</ol><//>`)}<//>
  </div>`;
}, 'Log');
