// The page below a path: its files, its requests and its streams are there.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker, Api } from '../broker.mjs';
import { openBrowser, Person } from '../browser.mjs';

const PREFIX = '/rabbit';
let broker, api, browser, person;

before(async () => {
  broker = await Broker.start({ flags: ['--http-path-prefix', PREFIX] });
  api = new Api(broker.http + PREFIX);
  await api.put('/queues/%2F/there', { durable: true });
  browser = await openBrowser();
  person = await Person.arrive(browser, broker.http);
});
after(async () => {
  await browser?.close();
  await broker?.stop();
});

test('everything that the page asks for is below the prefix, and stays new', async () => {
  // The root leads there.
  const tab = await person.open('#/queues');
  await tab.getByLabel(/user/i).fill('guest');
  await tab.getByLabel(/password/i).fill('guest');
  await tab.getByRole('button', { name: /log ?in|sign in/i }).click();
  await tab.getByRole('link', { name: 'there' }).waitFor();
  assert.equal(new URL(tab.url()).pathname, `${PREFIX}/`);
  await api.put('/queues/%2F/later', { durable: true });
  await tab.getByRole('link', { name: 'later' }).waitFor();
  const elsewhere = person.requests.filter((request) => !request.includes(` ${PREFIX}/`) && !/^GET \/ 301$/.test(request));
  assert.deepEqual(elsewhere, []);
  assert.ok(person.requests.some((request) => request.startsWith(`GET ${PREFIX}/api/coney/live?`)), 'it follows a stream');
  person.assertNoFaults([/Failed to load resource: .* 401/]);
});
