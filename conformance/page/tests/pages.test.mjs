// Every page is opened by its URL, in light, in dark and on a phone, or in those looks that PAGE_LOOKS names (`light,phone`): it is quiet,
// fits, and axe-core finds nothing serious.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { Broker, until } from '../broker.mjs';
import { assertFits, assertWhole, LOOKS, openBrowser, Person, picture, problems } from '../browser.mjs';
import { startLoad } from '../load.mjs';
import { pages } from '../pages.mjs';

let broker, load, browser, all;

before(async () => {
  broker = await Broker.start();
  load = await startLoad(broker.amqp, broker.http);
  await until('some messages fail', async () => (await broker.api.depth('orders.dead')) > 0);
  browser = await openBrowser();
  all = await pages(broker.api);
});

after(async () => {
  await browser?.close();
  await load?.stop();
  await broker?.stop();
});

test('no page is left out', () => {
  const main = readFileSync(new URL('../../../ui/app/main.js', import.meta.url), 'utf8');
  const patterns = [...main.matchAll(/^route\('([^']+)'/gm)].map(([, pattern]) => pattern);
  assert.ok(patterns.length > 10, 'the routes are found');
  const matches = (pattern) => new RegExp(`^#${pattern.replace(/:\w+/g, '[^/?]+')}(\\?.*)?$`);
  assert.deepEqual(patterns.filter((pattern) => !all.some(([, hash]) => matches(pattern).test(hash))), []);
});

for (const look of process.env.PAGE_LOOKS?.split(',') ?? Object.keys(LOOKS)) {
  describe(`in ${look}`, () => {
    let person;
    before(async () => (person = await Person.loggedIn(browser, broker.http, { look })));
    after(() => person.leave());

    async function assertGood(tab, name) {
      await picture(tab, name, look);
      const found = await problems(tab);
      await assertFits(tab, name);
      if (look !== 'phone') await assertWhole(tab, name);
      person.assertNoFaults();
      assert.deepEqual(found, [], 'axe-core finds no serious problem');
      assert.match(await tab.title(), /Coney/);
    }

    test('every page is quiet, fits its window, and has no serious problem of accessibility', async (t) => {
      for (const [name, hash] of all) {
        await t.test(name, () => person.visit(hash, (tab) => assertGood(tab, name)));
      }
      const failed = person.requests.filter((request) => / [45]\d\d$/.test(request));
      assert.deepEqual(failed, [], 'no request failed');
    });
  });
}
