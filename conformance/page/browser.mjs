// Chromium with a fresh profile, and people who are logged in: what a page logs, asks and violates is written down.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { until } from './broker.mjs';
import { require, work } from './packages.mjs';

const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A debug build on a machine that does other things as well. */
const PATIENCE_MS = Number(process.env.PAGE_PATIENCE_MS ?? 15_000);

export const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

export async function openBrowser() {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

/** One browser window of somebody, with cookies of its own. */
export class Person {
  /** What went wrong in any of its tabs: errors of the console, exceptions, violations of the security policy. */
  faults = [];
  /** Every request of any tab, as `METHOD path status`. */
  requests = [];

  /** @param {keyof LOOKS} look */
  static async arrive(browser, http, look = 'light') {
    const person = new Person();
    person.http = http;
    person.context = await browser.newContext({ ...LOOKS[look], baseURL: http, reducedMotion: 'reduce', timezoneId: 'Europe/Rome' });
    person.context.setDefaultTimeout(PATIENCE_MS);
    person.context.on('console', (message) => person.#said(message));
    person.context.on('weberror', (error) => person.faults.push(`exception: ${error.error().stack ?? error.error()}`));
    person.context.on('response', (response) => person.#answered(response));
    return person;
  }

  /** Somebody who is logged in already, without the form. */
  static async loggedIn(browser, http, { user = 'guest', password = user, look = 'light' } = {}) {
    const person = await Person.arrive(browser, http, look);
    const data = { username: user, password };
    const answer = await person.context.request.post('/api/coney/session', { data, headers: { origin: http } });
    assert.equal(answer.status(), 204, `${user} logs in: ${await answer.text()}`);
    return person;
  }

  #said(message) {
    if (message.type() === 'error') this.faults.push(`console: ${message.text()} (${message.location().url})`);
  }

  #answered(response) {
    const path = response.url().replace(this.http, '');
    this.requests.push(`${response.request().method()} ${path} ${response.status()}`);
  }

  /** Opens a URL of the page in a new tab, and returns when it shows what it has. */
  async open(hash = '#/') {
    const tab = await this.context.newPage();
    await tab.goto(`/${hash}`);
    await settled(tab);
    return tab;
  }

  /** Opens a URL for as long as `look` takes, whatever it finds. */
  async visit(hash, look) {
    const tab = await this.open(hash).catch(async (error) => {
      await Promise.all(this.context.pages().map((open) => open.close()));
      throw error;
    });
    try {
      return await look(tab);
    } finally {
      await tab.close();
    }
  }

  /** Fails if anything went wrong in any tab since the last call, except for what is expected. */
  assertNoFaults(expected = []) {
    const faults = this.faults.splice(0).filter((fault) => !expected.some((pattern) => pattern.test(fault)));
    assert.deepEqual(faults, [], 'the page is quiet');
  }

  /** What the API refused. */
  refused() {
    return this.requests.filter((request) => / 40[13]$/.test(request));
  }

  async leave() {
    await this.context.close();
  }
}

/** Waits until there is a heading and nothing says any more that it is being loaded. */
export async function settled(tab) {
  await tab.getByRole('heading', { level: 1 }).first().waitFor();
  await tab.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
}

/** Writes a filter into the box of the page. */
export async function filterBy(tab, text) {
  const box = tab.getByRole('search').getByRole('textbox').first();
  await box.fill(text);
  await box.press('Enter');
}

/** Fails if the page is wider than its window: then a phone scrolls sideways. */
export async function assertFits(tab, what) {
  const wide = await tab.evaluate(() => {
    const width = Math.min(document.documentElement.clientWidth, screen.width); // a phone zooms out
    if (document.documentElement.scrollWidth <= width) return [];
    const beyond = [...document.body.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > width + 1);
    return [`${document.documentElement.scrollWidth} > ${width}`, ...beyond.slice(-4).map((element) => element.outerHTML.slice(0, 120))];
  });
  assert.deepEqual(wide, [], `${what} fits its window`);
}

/** Fails if a table has columns that cannot be seen without scrolling sideways, which on a phone are cards. */
export async function assertWhole(tab, what) {
  const cut = () => tab.evaluate(() => [...document.querySelectorAll('.table-box')].filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => `${box.querySelector('table').getAttribute('aria-label')}: ${box.scrollWidth} > ${box.clientWidth}`));
  // One that has just got other rows is measured with the next frame.
  await until(`${what} shows whole tables`, async () => (await cut()).length === 0, PATIENCE_MS).catch(async (error) => {
    throw new Error(`${error.message}: ${(await cut()).join(', ')}`);
  });
}

/** What axe-core calls serious or critical, a line each. */
export async function problems(tab) {
  const devtools = await tab.context().newCDPSession(tab);
  // Not with evaluate(): the page's security policy forbids it, as it should.
  await devtools.send('Runtime.evaluate', { expression: axe });
  await devtools.detach();
  const { violations } = await tab.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ html, any }) => `${id}: ${help}: ${html.slice(0, 160)} ${any[0]?.message ?? ''}`));
}

/** A picture for people, in screenshots/NAME-LOOK.png. */
export async function picture(tab, name, look) {
  const folder = join(work, 'screenshots');
  mkdirSync(folder, { recursive: true });
  await tab.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: look === 'phone' });
}

/** Waits until a text is somewhere on the page, and says what was there if it never comes. */
export async function shows(tab, text) {
  const has = () => tab.evaluate(() => document.body.innerText);
  const found = typeof text === 'string' ? (all) => all.includes(text) : (all) => text.test(all);
  let last = '';
  try {
    await until(`the page shows ${text}`, async () => found((last = await has())), PATIENCE_MS);
  } catch (error) {
    throw new Error(`${error.message}; it shows:\n${last.slice(0, 1500)}`);
  }
}
