/** What is wrong first; then how much there is of everything, and how fast it moves. */
import { html, view } from '../component.js';
import { live } from '../live.js';
import { Page } from '../parts/page.js';
import { Loaded } from '../parts/empty.js';

export default view((_, self) => {
  const overview = self.keep('overview', () => live('/api/overview'));
  return html`<${Page} title="Overview"><${Loaded} of=${overview}>${(data) => data.object_totals.queues}<//><//>`;
}, 'Overview');
