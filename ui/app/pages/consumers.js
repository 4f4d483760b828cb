/** All consumers. */
import { computed, html, view } from '../component.js';
import { columnsForWho, CONSUMER_COLUMNS, consumerKey, CONSUMERS_SEARCHED, withUnacked } from '../clients/consumers.js';
import { listPath, Shown, TermsHelp } from '../clients/parts.js';
import { terms } from '../clients/terms.js';
import { live } from '../live.js';
import { Empty, Loaded } from '../parts/empty.js';
import { Filter } from '../parts/filter.js';
import { Page, VhostPicker } from '../parts/page.js';
import { Table } from '../parts/table.js';
import { url } from '../api.js';
import { link, query } from '../router.js';

const HELP = html`<${TermsHelp} rows=${[
  ['queue:orders', 'the queue'], ['tag:worker', 'the consumer tag'], ['user:guest', 'the user'], ['ack:no', 'without acks'], ['prefetch:>100', 'a large prefetch'], ['from:10.0.0.0/8', 'the address, or its network'],
]} />`;

const columns = columnsForWho(CONSUMER_COLUMNS);

export default view((_, self) => {
  const list = self.keep('list', () => live(() => (query.value.vhost ? url`/api/consumers/${query.value.vhost}` : '/api/consumers'), { keep: true }));
  const channels = self.keep('channels', () => live(() => listPath('channels', query.value.vhost, ['name', 'messages_unacknowledged', 'consumer_count']), { keep: true }));
  const test = self.keep('test', () => computed(() => terms(query.value.filter ?? '', CONSUMERS_SEARCHED)));
  const rows = self.keep('rows', () => computed(() => list.data.value && withUnacked(list.data.value, channels.data.value).filter(test.value.test)));
  const all = list.data.value?.length ?? 0;
  const toolbar = html`<${Filter} label="Filter consumers" placeholder="Filter: queue:orders tag:worker" help=${HELP} error=${test.value.error} /><${VhostPicker} />`;
  const note = rows.value && html`<${Shown} rows=${rows.value.length} all=${all} what="consumer" />`;
  return html`<${Page} title="Consumers" fill>
    <${Loaded} of=${list}>${() => html`<${Table} id="consumers" label="Consumers" columns=${columns()} rows=${rows.value} rowKey=${consumerKey}
      href=${(row) => link(['channels', row.channel_details.name])} sort="tag" toolbar=${toolbar} note=${note} rowClass=${(row) => (row.active ? undefined : 'row-quiet')}
      empty=${html`<${Empty} icon="consumers" title=${all ? 'No consumer matches' : 'Nobody consumes'}>${all ? 'Change the filter to see others.' : 'Messages stay in their queues until somebody does.'}<//>`} />`}<//>
  <//>`;
}, 'Consumers');
