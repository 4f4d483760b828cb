// Coming in and going out.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { openBrowser, Person, shows } from '../browser.mjs';

let broker, browser, person;

const ann = (password) => broker.api.put('/users/ann', { password, tags: 'administrator' });

before(async () => {
  broker = await Broker.start();
  await broker.api.put('/queues/%2F/there', { durable: true });
  await ann('ann');
  await broker.api.put('/permissions/%2F/ann', { configure: '.*', write: '.*', read: '.*' });
  await broker.api.put('/users/tagless', { password: 'tagless', tags: '' });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await broker?.stop();
});
beforeEach(async () => {
  await ann('ann');
  person = await Person.arrive(browser, broker.http);
});
afterEach(() => person.leave());

/** What the browser itself logs about an answer of 401 is no fault of the page. */
const REFUSAL = [/Failed to load resource: .* 401/];

const logIn = async (tab, user, password = user) => {
  await tab.getByLabel(/user/i).fill(user);
  await tab.getByLabel(/password/i).fill(password);
  await tab.getByRole('button', { name: /log ?in|sign in/i }).click();
};
const form = (tab) => tab.getByLabel(/password/i);
const sessionCookie = async () => (await person.context.cookies()).find(({ name }) => name.startsWith('coney-session'));

test('a wrong password is told in words, and lets nobody in', async () => {
  const tab = await person.open('#/');
  await logIn(tab, 'ann', 'wrong');
  await tab.getByRole('alert').filter({ hasText: /password/i }).waitFor();
  assert.equal(await sessionCookie(), undefined);
  assert.equal(await form(tab).count(), 1);
  person.assertNoFaults(REFUSAL);
});

test('somebody without a tag is told that this needs one', async () => {
  const tab = await person.open('#/');
  await logIn(tab, 'tagless');
  await tab.getByRole('alert').waitFor();
  assert.equal(await sessionCookie(), undefined);
});

test('after the login comes the page that was asked for, and the cookie is out of reach', async () => {
  const tab = await person.open('#/queues/%2F/there?tab=settings');
  await logIn(tab, 'ann');
  await tab.getByRole('heading', { level: 1, name: /there/ }).waitFor();
  assert.match(tab.url(), /#\/queues\/%2F\/there\?tab=settings$/);
  const cookie = await sessionCookie();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, 'Strict');
  assert.equal(await tab.evaluate(() => document.cookie), '');
  const kept = await tab.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.doesNotMatch(kept, /ann:|YW5u|password/i, 'no password is kept');
  person.assertNoFaults(REFUSAL);
});

test('logging out ends the session in the broker, too', async () => {
  person = await Person.loggedIn(browser, broker.http, { user: 'ann' });
  const tab = await person.open('#/queues');
  await tab.getByRole('link', { name: 'there' }).first().click();
  await tab.getByRole('heading', { level: 1, name: /there/ }).waitFor();
  const { name, value } = await sessionCookie();
  await tab.getByRole('button', { name: /log ?out|sign out/i }).first().click();
  await form(tab).waitFor();
  assert.doesNotMatch(await tab.evaluate(() => document.body.innerText), /there/);
  const answer = await fetch(`${broker.http}/api/queues`, { headers: { cookie: `${name}=${value}` } });
  assert.equal(answer.status, 401);
  await tab.goBack();
  await form(tab).waitFor();
  person.assertNoFaults(REFUSAL);
});

test('a session that ends elsewhere asks for the password, and goes on where it was', async () => {
  person = await Person.loggedIn(browser, broker.http, { user: 'ann' });
  const tab = await person.open('#/queues/%2F/there?tab=bindings');
  await ann('changed');
  await tab.reload();
  await form(tab).waitFor();
  await logIn(tab, 'ann', 'changed');
  await tab.getByRole('heading', { level: 1, name: /there/ }).waitFor();
  assert.match(tab.url(), /tab=bindings$/);
});

test('a page that is open notices that its session has ended', async () => {
  person = await Person.loggedIn(browser, broker.http, { user: 'ann' });
  const tab = await person.open('#/queues');
  await shows(tab, 'there');
  await ann('ann2');
  await form(tab).waitFor();
});

test('a page of another origin can do nothing with the cookie', async () => {
  person = await Person.loggedIn(browser, broker.http, { user: 'ann' });
  const { name, value } = await sessionCookie();
  const ask = (headers) =>
    fetch(`${broker.http}/api/queues/%2F/there`, { method: 'DELETE', headers: { cookie: `${name}=${value}`, ...headers } });
  for (const headers of [{ origin: 'http://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }, {}]) {
    assert.equal((await ask(headers)).status, 403, JSON.stringify(headers));
  }
  assert.equal((await broker.api.get('/queues/%2F/there')).name, 'there');
});

test('a broker that goes away is told, and the page is live again when it is back', async () => {
  person = await Person.loggedIn(browser, broker.http, { user: 'ann' });
  const tab = await person.open('#/queues');
  await shows(tab, 'there');
  await broker.kill();
  await shows(tab, /connection|unreachable|not answer|offline/i);
  await broker.restart();
  // Sessions are in memory: it asks for the password, or shows the page again.
  await until('the page is back', async () => (await form(tab).count()) + (await tab.getByText('there').count()) > 0, 20_000);
});
