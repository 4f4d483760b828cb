// What people may not do they are not offered, and are refused if they ask all the same.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Broker } from '../broker.mjs';
import { openBrowser, Person } from '../browser.mjs';
import { startLoad } from '../load.mjs';
import { pages } from '../pages.mjs';

/** Buttons that change something in the broker. */
const CHANGES = /\b(purge|delete|remove|move|replay|publish|close connection|close channel|cancel consumer|add|save|declare|create|import|release|drop|take|record|bind|unbind|undo|set|grant|revoke)\b/i;

/** What each user tries by hand: method, path, body. All of it is refused to somebody who only looks. */
const TRIES = [
  ['PUT', '/queues/%2F/mine', { durable: true }],
  ['DELETE', '/queues/%2F/nobody-listens'],
  ['DELETE', '/queues/%2F/nobody-listens/contents'],
  ['POST', '/coney/queues/%2F/nobody-listens/purge', { undo_s: 60 }],
  ['POST', '/coney/queues/%2F/orders.dead/messages/replay', {}],
  ['POST', '/coney/queues/%2F/nobody-listens/messages/move', { to: { queue: 'mail' } }],
  ['POST', '/coney/queues/%2F/nobody-listens/messages/delete', { ids: [1] }],
  ['POST', '/exchanges/%2F/orders/publish', { routing_key: 'eu.x', payload: '', payload_encoding: 'string', properties: {} }],
  ['PUT', '/policies/%2F/mine', { pattern: '.*', definition: { 'max-length': 1 } }],
  ['PUT', '/users/intruder', { password: 'x', tags: 'administrator' }],
  ['PUT', '/vhosts/mine', {}],
  ['GET', '/definitions'],
  ['POST', '/coney/recordings/%2F', { queue: 'mail', next: 10 }],
];

let broker, load, browser;

before(async () => {
  broker = await Broker.start();
  load = await startLoad(broker.amqp, broker.http);
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await load?.stop();
  await broker?.stop();
});

/** A refused publish is a 400 with AMQP's code in its reason, as RabbitMQ's. */
const isRefused = async (answer) =>
  [401, 403].includes(answer.status()) || (answer.status() === 400 && /^403 ACCESS_REFUSED/.test((await answer.json()).reason));

/** Asks as the page does: with the cookie and from its origin. */
async function tried(person, tries = TRIES) {
  const answers = [];
  for (const [method, path, body] of tries) {
    const answer = await person.context.request.fetch(`/api${path}`, { method, data: body, headers: { origin: broker.http } });
    answers.push(`${method} ${path} ${(await isRefused(answer)) ? 'refused' : answer.status()}`);
  }
  return answers;
}

/** The names of all buttons that can be pressed, and links that look like them, but for those that sort a table. */
const buttons = (tab) =>
  tab.locator('button, [role=button], a.button').evaluateAll((all) =>
    all.filter((button) => !button.disabled && button.getClientRects().length > 0 && !button.closest('th, [role=columnheader]'))
      .map((button) => button.getAttribute('aria-label') ?? button.innerText.trim()));

test('a monitoring user sees everything and is offered nothing to touch', async (t) => {
  const person = await Person.loggedIn(browser, broker.http, { user: 'monitor' });
  for (const [name, hash] of await pages(broker.api)) {
    await t.test(name, () => person.visit(hash, async (tab) => {
      const offered = (await buttons(tab)).filter((label) => CHANGES.test(label));
      assert.deepEqual(offered, []);
      // Whether a queue's messages may be read its permissions say, of which a page knows nothing: it is told, and says so.
      const refused = person.refused().filter((request) => !/\/messages\?/.test(request));
      assert.deepEqual(refused, [], 'it asks for nothing else that is refused');
    }));
  }
  const tab = await person.open('#/queues');
  await tab.getByText('nobody-listens').first().waitFor();
  person.assertNoFaults([/401/]);
  await person.leave();
});

test('a monitoring user is refused what it asks all the same', async () => {
  const person = await Person.loggedIn(browser, broker.http, { user: 'monitor' });
  const answers = await tried(person);
  assert.deepEqual(answers.filter((answer) => !/ refused$/.test(answer)), []);
  await person.leave();
});

test('a user without a permission sees no vhost and nothing in it', async (t) => {
  const person = await Person.loggedIn(browser, broker.http, { user: 'nobody' });
  for (const [name, hash] of await pages(broker.api)) {
    await t.test(name, () => person.visit(hash, async (tab) => {
      const text = await tab.evaluate(() => document.body.innerText);
      // What stands in the URL itself is no secret.
      for (const secret of ['mail.dead', 'worker orders.eu', 'tenant', 'mailer', 'lost-and-found']) {
        if (!decodeURIComponent(hash).includes(secret)) assert.ok(!text.includes(secret), `${name} shows ${secret}`);
      }
      const offered = (await buttons(tab)).filter((label) => CHANGES.test(label));
      assert.deepEqual(offered, []);
    }));
  }
  const answers = await tried(person);
  assert.deepEqual(answers.filter((answer) => !/ refused$/.test(answer)), []);
  await person.leave();
});

test('a user with some rights does what they allow, and no more', async () => {
  const person = await Person.loggedIn(browser, broker.http, { user: 'mailer' });
  const purge = (queue) => ['POST', `/coney/queues/%2F/${queue}/purge`, { undo_s: 60 }];
  assert.deepEqual(await tried(person, [purge('mail.dead')]), ['POST /coney/queues/%2F/mail.dead/purge 200']);
  const others = await tried(person, TRIES.filter(([, path]) => !/recordings/.test(path)));
  assert.deepEqual(others.filter((answer) => !/ refused$/.test(answer)), []);
  const tab = await person.open('#/queues/%2F/nobody-listens');
  const text = await tab.evaluate(() => document.body.innerText);
  assert.doesNotMatch(text, /vip/, 'no body is shown to somebody who may not read');
  await person.leave();
});

test('a policy maker is offered policies and no users', async () => {
  const person = await Person.loggedIn(browser, broker.http, { user: 'policy' });
  const tab = await person.open('#/policies');
  assert.ok((await buttons(tab)).some((label) => /polic/i.test(label)), 'a policy can be added');
  const users = await person.open('#/users');
  assert.deepEqual((await buttons(users)).filter((label) => CHANGES.test(label)), []);
  await person.leave();
});
