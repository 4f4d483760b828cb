// Names, headers and bodies that would like to be part of the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { openBrowser, Person } from '../browser.mjs';
import { HOSTILE, startLoad } from '../load.mjs';

let broker, load, browser, person;

before(async () => {
  broker = await Broker.start();
  load = await startLoad(broker.amqp, broker.http);
  await broker.api.put(`/vhosts/${encodeURIComponent(HOSTILE)}`, { description: HOSTILE });
  await broker.api.put(`/users/${encodeURIComponent(HOSTILE)}`, { password: 'x', tags: 'management' });
  await broker.api.put(`/policies/%2F/${encodeURIComponent(HOSTILE)}`, { pattern: '^<img src=x onerror=alert\\(1\\)>', definition: { 'max-length': 5 } });
  browser = await openBrowser();
  person = await Person.loggedIn(browser, broker.http);
});

after(async () => {
  await browser?.close();
  await load?.stop();
  await broker?.stop();
});

/** What would be there if anything hostile had become a part of the page. */
async function assertHarmless(tab, where) {
  const found = await tab.evaluate(() => ({
    title: document.title === 'owned', // a page is called by the name that it shows
    elements: [...document.querySelectorAll('img[src="x"], [onerror], script:not([src]), iframe, object')].map((e) => e.outerHTML.slice(0, 100)),
    computed: document.body.innerText.includes('&49'),
  }));
  assert.deepEqual(found, { title: false, elements: [], computed: false }, where);
  person.assertNoFaults([/404/]); // one of the places is not there
}

const name = encodeURIComponent(HOSTILE);
const TABS = ['messages', 'unacked', 'delayed', 'parked', 'failures', 'consumers', 'bindings', 'settings', 'publish'];
const PLACES = [
  '#/', '#/queues', '#/exchanges', `#/exchanges/%2F/${name}`, '#/connections', '#/channels', '#/consumers', '#/topology', '#/failures',
  '#/recorder', '#/routing', '#/users', `#/users/${name}`, '#/vhosts', '#/policies', '#/admin/log', `#/queues?filter=${name}`, `#/queues/${name}/${name}`,
  ...TABS.map((tab) => `#/queues/%2F/${name}?tab=${tab}`),
];

test('hostile names and headers do nothing on any page', async (t) => {
  for (const place of PLACES) {
    await t.test(decodeURIComponent(place).slice(0, 60), () => person.visit(place, (tab) => assertHarmless(tab, place)));
  }
});

test('a queue with a hostile name is reached by its link, as everything in it', async () => {
  const tab = await person.open('#/queues');
  await tab.getByRole('link', { name: HOSTILE, exact: true }).first().click();
  await tab.getByRole('heading', { level: 1, name: HOSTILE }).waitFor();
  await assertHarmless(tab, 'the queue');
  const { messages } = await broker.api.get(`/queues/%2F/${name}`);
  assert.equal(messages, 1);
});

test('bodies with scripts are text', async () => {
  const messages = await broker.api.peek('nobody-listens', 'limit=48');
  for (const { id } of [...messages.filter((_, n) => n % 4 === 0)].slice(0, 6)) {
    await person.visit(`#/queues/%2F/nobody-listens/messages/${id}`, (tab) => assertHarmless(tab, `message ${id}`));
  }
  const [hostile] = await broker.api.peek(HOSTILE, 'state=unacked');
  const tab = await person.open(`#/queues/%2F/${name}/messages/${hostile.id}`);
  await until('the script is shown as text', async () => (await tab.evaluate(() => document.body.innerText)).includes('<script>'));
  await assertHarmless(tab, 'the hostile message');
});
