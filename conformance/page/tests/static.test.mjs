// What no file of the page may have: each of these would let a message or a name become part of the page.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ui = new URL('../../../ui/', import.meta.url).pathname;
const files = readdirSync(ui, { recursive: true }).filter((file) => !file.startsWith('vendor/'));
const texts = files.filter((file) => /\.(js|html|css)$/.test(file)).map((file) => [file, readFileSync(join(ui, file), 'utf8')]);

const FORBIDDEN = [
  ['HTML made of text', /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc/],
  ['code made of text', /\beval\(|new Function|setTimeout\(\s*['"`]|setInterval\(\s*['"`]|javascript:/],
  ['something from elsewhere', /(?:import|src=|href=|url\()[^\n]{0,20}https?:\/\//],
];

test('the page has files', () => {
  assert.ok(texts.some(([file]) => file === 'index.html'));
  assert.ok(texts.length > 10, `${texts.length} files`);
});

for (const [what, pattern] of FORBIDDEN) {
  test(`no file has ${what}`, () => {
    const found = texts.flatMap(([file, text]) =>
      text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1}: ${line.trim().slice(0, 120)}`] : [])),
    );
    assert.deepEqual(found, []);
  });
}

test('index.html has no script or style of its own', () => {
  const html = readFileSync(join(ui, 'index.html'), 'utf8');
  assert.deepEqual(html.match(/<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=/gi) ?? [], []);
});

test('every module is JavaScript, and no file is endless', () => {
  const modules = texts.filter(([file]) => file.endsWith('.js')).map(([file]) => join(ui, file));
  // One process for all of them: to parse is quick, to start is not.
  const parse = `
    import { readFileSync } from 'node:fs';
    import { SourceTextModule } from 'node:vm';
    for (const file of JSON.parse(readFileSync(0, 'utf8'))) {
      try { new SourceTextModule(readFileSync(file, 'utf8')); } catch (error) { console.log(file + ': ' + error.message); }
    }`;
  const flags = ['--experimental-vm-modules', '--no-warnings', '--input-type=module', '--eval', parse];
  const { stdout, stderr } = spawnSync(process.execPath, flags, { input: JSON.stringify(modules), encoding: 'utf8' });
  assert.equal(stdout + stderr, '');
  const long = texts.filter(([, text]) => text.split('\n').length > 800);
  assert.deepEqual(long.map(([file]) => file), []);
});
