import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';

import { charsetOf, fileName, readBody } from '../../../ui/app/message/body.js';
import { fromBase64, hexRows, toBase64 } from '../../../ui/app/message/bytes.js';
import { isDocument, pretty, prettyLines } from '../../../ui/app/message/json.js';
import { UNPACKED_MAX } from '../../../ui/app/message/unpack.js';

const base64 = (bytes, properties = {}) => ({ payload: Buffer.from(bytes).toString('base64'), payload_encoding: 'base64', properties });
const string = (payload, properties = {}) => ({ payload, payload_encoding: 'string', properties });

test('a body is shown as what it is', async () => {
  const cases = [
    [string('{"a": 1}'), ['json', 'text', 'hex']],
    [string(' [1]'), ['json', 'text', 'hex']],
    [string('12'), ['text', 'hex']],
    [string('{"a": '), ['text', 'hex']],
    [string(''), ['text', 'hex']],
    [string('plain\r\n\ttext \u001b[1m'), ['text', 'hex']],
    [string('\u0000\u0001'), ['hex', 'text']],
    [base64([0xff, 0xfe, 0x00]), ['hex']],
    [base64(Buffer.from('grüße', 'latin1'), { content_type: 'text/plain; charset=ISO-8859-1' }), ['text', 'hex']],
  ];
  for (const [message, views] of cases) {
    const body = await readBody(message);
    assert.deepEqual(body.views, views, message.payload);
    assert.equal(body.problem, null);
  }
});

test('what was packed is unpacked, whichever way it says so', async () => {
  const text = '{"a": "ä"}';
  const cases = [
    ['gzip', gzipSync(text), ['gzip']],
    ['GZIP', gzipSync(text), ['gzip']],
    ['x-gzip', gzipSync(text), ['x-gzip']],
    ['deflate', deflateSync(text), ['deflate']],
    ['deflate', deflateRawSync(text), ['deflate']],
    ['zlib', deflateSync(text), ['zlib']],
    ['base64', Buffer.from(Buffer.from(text).toString('base64')), ['base64']],
    ['gzip, base64', Buffer.from(gzipSync(text).toString('base64')), ['base64', 'gzip']],
    ['utf-8', Buffer.from(text), []],
    ['identity', Buffer.from(text), []],
    ['', gzipSync(text), ['gzip']],
  ];
  for (const [encoding, bytes, steps] of cases) {
    const body = await readBody(base64(bytes, { content_encoding: encoding }));
    assert.equal(body.text, text, encoding);
    assert.deepEqual(body.steps, steps);
    assert.equal(body.problem, null);
    assert.deepEqual(Buffer.from(body.published), bytes);
  }
});

test('what cannot be unpacked is shown as it came, and why is said', async () => {
  const cases = [
    ['gzip', 'not packed', /not valid gzip/],
    ['deflate', 'not packed', /not valid deflate/],
    ['gzip', gzipSync('cut off').subarray(0, 12), /not valid gzip/],
    ['br', 'x', /cannot undo the content encoding 'br'/],
    ['zstd, gzip', gzipSync('x'), /'zstd'/],
    ['base64', '§', /not valid base64/],
    ['gzip', gzipSync(Buffer.alloc(UNPACKED_MAX + 1)), /larger than 16 MiB/],
  ];
  for (const [encoding, bytes, why] of cases) {
    const body = await readBody(base64(bytes, { content_encoding: encoding }));
    assert.match(body.problem, why);
  }
  const halfWay = await readBody(base64(gzipSync('x'), { content_encoding: 'zstd, gzip' }));
  assert.deepEqual(halfWay.steps, ['gzip']);
  assert.equal(halfWay.text, 'x');
});

test('charsets come from the content type', () => {
  assert.equal(charsetOf('text/plain; charset=latin1'), 'latin1');
  assert.equal(charsetOf('text/plain;format=flowed; CHARSET="UTF-16LE"'), 'utf-16le');
  assert.equal(charsetOf('application/json'), null);
});

test('base64 of any length goes there and back', () => {
  for (const length of [0, 1, 2, 3, 0x8000, 0x8001, 100_000]) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 7) % 256);
    assert.equal(toBase64(bytes), Buffer.from(bytes).toString('base64'));
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  }
});

test('a hex dump has sixteen bytes a row', () => {
  const rows = hexRows(Uint8Array.from({ length: 18 }, (_, at) => at + 0x39));
  assert.deepEqual(rows, [
    { offset: '00000000', hex: '39 3a 3b 3c 3d 3e 3f 40  41 42 43 44 45 46 47 48', ascii: '9:;<=>?@ABCDEFGH' },
    { offset: '00000010', hex: '49 4a', ascii: 'IJ' },
  ]);
  assert.equal(hexRows(new Uint8Array(100), 40, 2)[0].offset, '00000020');
  assert.equal(hexRows(new Uint8Array(100), 40, 2).length, 2);
  assert.deepEqual(hexRows(new Uint8Array()), []);
});

test('JSON is set in lines, and nothing of it is changed', () => {
  const text = '{"big":12345678901234567890,"twice":1,"twice":2,"e":[],"o":{},"s":"a\\"b, {c}: [d]\\u00e4","deep":[{"x":-1.50e+3},null,true]}';
  assert.equal(pretty(text), [
    '{',
    '  "big": 12345678901234567890,',
    '  "twice": 1,',
    '  "twice": 2,',
    '  "e": [],',
    '  "o": {},',
    '  "s": "a\\"b, {c}: [d]\\u00e4",',
    '  "deep": [',
    '    {',
    '      "x": -1.50e+3',
    '    },',
    '    null,',
    '    true',
    '  ]',
    '}',
  ].join('\n'));
  const kinds = prettyLines('{"a": "b"}')[1].tokens.map(({ kind }) => kind);
  assert.deepEqual(kinds, ['key', 'mark', 'string']);
});

test('JSON survives being set in lines: random documents', () => {
  const random = generator(7);
  for (let round = 0; round < 300; round += 1) {
    const value = { root: anything(random, 4) };
    const text = JSON.stringify(value);
    assert.ok(isDocument(text));
    assert.deepEqual(JSON.parse(pretty(text)), value);
  }
});

test('only objects and arrays count as documents', () => {
  for (const text of ['1', '"x"', 'null', '', '{', '{a:1}', '[1,]']) assert.equal(isDocument(text), false, text);
});

test('very deep JSON does not end the page', () => {
  const text = '['.repeat(5000) + ']'.repeat(5000);
  assert.equal(prettyLines(text).length, 9999);
});

test('a body has a file name', async () => {
  assert.equal(fileName('orders/eu dead', 7, await readBody(string('{}'))), 'orders-eu-dead-7.json');
  assert.equal(fileName('q', 1, await readBody(base64([255]))), 'q-1.bin');
});

function anything(random, depth) {
  const kind = Math.floor(random() * (depth > 0 ? 7 : 5));
  const length = Math.floor(random() * 4);
  const key = () => String.fromCharCode(...Array.from({ length: 3 }, () => 32 + Math.floor(random() * 300)));
  switch (kind) {
    case 0: return null;
    case 1: return random() > 0.5;
    case 2: return Math.round(random() * 1e6) / 100;
    case 3: return key();
    case 4: return `"\\,{[${key()}`;
    case 5: return Array.from({ length }, () => anything(random, depth - 1));
    default: return Object.fromEntries(Array.from({ length }, () => [key(), anything(random, depth - 1)]));
  }
}

/** Numbers from 0 to 1, the same ones each time. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}
