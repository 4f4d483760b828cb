import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { LANGUAGES } from '../../../ui/app/message/code/languages.js';
import { leaveOut, uriOf } from '../../../ui/app/message/code/publish.js';
import { quoteShell } from '../../../ui/app/message/code/quote.js';

/** All that means something in one of the languages, and all that nobody sees. */
const NASTY = 'q"\'`\\ \\u0041 \\\\u0042 ${x} #{y} %s $(touch /tmp/x) \u0000\u0007\u001b\u0085\u00a0\u2028\u2029\u202e\ufeff\u{1f407}\u{e0001} ä\r\n\tEND\n*/ --> </script>';
const BROKER = { host: 'broker.example', port: 5672, tls: false, http: 'http://broker.example:15672', user: 'guest' };

const publish = (more = {}) => ({
  vhost: "v'x/ü", exchange: 'orders', routingKey: 'eu.paid', properties: {}, body: new TextEncoder().encode('{"a": 1}'), file: 'orders-7.json', broker: BROKER, ...more,
});
const nasty = publish({
  exchange: NASTY, routingKey: NASTY, body: new TextEncoder().encode(NASTY.replace(/[\u0000\u0007]/g, '')),
  properties: {
    content_type: NASTY, content_encoding: 'utf-8', delivery_mode: 2, priority: 9, correlation_id: 'c', reply_to: 'r', expiration: '60000', message_id: NASTY,
    timestamp: 1700000000, type: 't', user_id: 'guest', app_id: 'a',
    headers: { [NASTY]: NASTY, small: -5, big: 9007199254740991, float: 1.5, yes: true, list: [1, 'x', [], {}], table: { a: { b: [{ c: NASTY }] } }, ['__proto__']: 'p' },
  },
});
const binary = publish({ body: Uint8Array.from({ length: 256 }, (_, at) => at) });
const large = publish({ body: new Uint8Array(9000).fill(0x61), file: "o'dd name.json" });
const written = (id, message) => LANGUAGES.find((language) => language.id === id).write(message);
const utf8 = (bytes) => new TextDecoder().decode(bytes);

/** Headers as a plain object is compared: `__proto__` is a key like any other. */
const plain = (value) => JSON.parse(JSON.stringify(value));

test('curl gets exactly the message, whatever a shell would make of it', () => {
  const sent = (message) => {
    const fake = 'curl() { printf "%s\\n" "$@" >&2; cat; }\n';
    const folder = mkdtempSync(join(tmpdir(), 'coney-code-'));
    writeFileSync(join(folder, message.file), message.body);
    const { stdout, stderr } = spawnSync('bash', ['-c', fake + written('curl', message)], { cwd: folder, encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    return { ...JSON.parse(stdout), arguments: stderr.split('\n') };
  };
  const { arguments: words, ...body } = sent(nasty);
  assert.deepEqual(body, { routing_key: NASTY, properties: plain(nasty.properties), payload: utf8(nasty.body), payload_encoding: 'string' });
  assert.ok(words.includes(`http://broker.example:15672/api/exchanges/${encodeURIComponent("v'x/ü")}/${encodeURIComponent(NASTY)}/publish`));
  assert.equal(sent(binary).payload, Buffer.from(binary.body).toString('base64'));
  assert.equal(sent(large).payload, Buffer.from(large.body).toString('base64'));
  assert.ok(sent(publish({ exchange: '' })).arguments.some((word) => word.endsWith('/amq.default/publish')));
});

test('amqplib gets exactly the message', async () => {
  const run = async (message) => {
    const seen = {};
    const channel = { on() {}, publish: (...all) => { seen.publish = all; }, waitForConfirms: async () => {} };
    const amqp = { connect: async (uri) => ({ uri: (seen.uri = uri), createConfirmChannel: async () => channel, close: async () => {} }) };
    const code = written('amqplib', message).replace(/^import .*$/gm, '');
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction('amqp', 'readFile', code)(amqp, async (name) => `content of ${name}`);
    return seen;
  };
  const { uri, publish: [exchange, key, body, options] } = await run(nasty);
  assert.equal(uri, uriOf(nasty));
  assert.deepEqual([exchange, key, utf8(body)], [NASTY, NASTY, utf8(nasty.body)]);
  assert.deepEqual(plain(options.headers), plain(nasty.properties.headers));
  const { headers, ...others } = options;
  assert.deepEqual(others, {
    mandatory: true, contentType: NASTY, contentEncoding: 'utf-8', deliveryMode: 2, priority: 9, correlationId: 'c', replyTo: 'r', expiration: '60000',
    messageId: NASTY, timestamp: 1700000000, type: 't', userId: 'guest', appId: 'a',
  });
  assert.deepEqual(new Uint8Array((await run(binary)).publish[2]), binary.body);
  assert.equal((await run(large)).publish[2], "content of o'dd name.json");
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

test('pika gets exactly the message', { skip: !hasPython && 'no python3' }, () => {
  const fake = `
import sys, types, json
class Decimal(float): pass
def BasicProperties(**fields): return fields
class Channel:
    def confirm_delivery(self): pass
    def basic_publish(self, body, **rest): print(json.dumps({'body': list(body), **rest}))
class Connection:
    def channel(self): return Channel()
    def close(self): pass
sys.modules['decimal'] = types.SimpleNamespace(Decimal=Decimal)
sys.modules['pika'] = types.SimpleNamespace(BlockingConnection=lambda _: Connection(), URLParameters=str, BasicProperties=BasicProperties)
exec(compile(sys.stdin.buffer.read().decode(), 'code', 'exec'))
`;
  const run = (message) => {
    const { stdout, stderr } = spawnSync('python3', ['-c', fake], { input: written('pika', message), encoding: 'utf8' });
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  };
  const { body, ...rest } = run(nasty);
  assert.equal(utf8(Uint8Array.from(body)), utf8(nasty.body));
  assert.deepEqual(rest, { exchange: NASTY, routing_key: NASTY, mandatory: true, properties: plain(nasty.properties) });
  assert.deepEqual(Uint8Array.from(run(binary).body), binary.body);
});

/** What a compiler of the language makes of a literal, written from its reference and not from how it was quoted. */
const READERS = {
  lapin: (text) => text.replace(/\\(?:u\{([\da-f]+)\}|x([\da-f]{2})|(.))/gs, (_, code, byte, char) => (char ? named(char) : String.fromCodePoint(parseInt(code ?? byte, 16)))),
  go: (text) => text.replace(/\\(?:U([\da-f]{8})|u([\da-f]{4})|x([\da-f]{2})|(.))/gs, (_, long, short, byte, char) => (char ? named(char) : String.fromCodePoint(parseInt(long ?? short ?? byte, 16)))),
  // Java reads \\uXXXX first of all, where an even number of backslashes is before it.
  java: (text) => text.replace(/(?<!\\)((?:\\\\)*)\\u+([\da-f]{4})/g, (_, before, code) => before + String.fromCharCode(parseInt(code, 16))).replace(/\\(.)/gs, (_, char) => named(char)),
};
const named = (char) => ({ n: '\n', r: '\r', t: '\t' })[char] ?? char;
const literals = (code) => [...code.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map(([, text]) => text);

for (const [id, read] of Object.entries(READERS)) {
  test(`the literals of ${id} mean what they are to mean`, () => {
    const code = written(id, nasty);
    assert.ok(!/[^\P{C}\n\t]|\u2028|\u2029|\u00a0/u.test(code), 'nothing unseen is left');
    const texts = literals(code).map(read);
    assert.equal(texts.filter((text) => text === NASTY).length, 7);
    assert.ok(texts.includes(utf8(nasty.body)));
    assert.ok(texts.includes(uriOf(nasty)));
  });
}

test('bytes that are no text are bytes in Rust and Go, and base64 in Java', () => {
  for (const id of ['lapin', 'go']) {
    const bytes = literals(written(id, binary)).map(READERS[id]).find((text) => text.length === 256);
    assert.deepEqual(Uint8Array.from(bytes, (char) => char.charCodeAt(0)), binary.body);
  }
  assert.ok(written('java', binary).includes(`Base64.getDecoder().decode("${Buffer.from(binary.body).toString('base64')}")`));
});

test('a large body is read from a file', () => {
  for (const { id, write } of LANGUAGES) assert.ok(write(large).length < 2500, id);
  assert.ok(written('lapin', large).includes('std::fs::read("o\'dd name.json")?'));
  assert.ok(written('go', large).includes('os.ReadFile("o\'dd name.json")'));
  assert.ok(written('java', large).includes('Files.readAllBytes(Paths.get("o\'dd name.json"))'));
});

test('a literal that is too long for a Java compiler comes in pieces', () => {
  const long = 'ä'.repeat(40_000);
  const code = written('java', publish({ properties: { headers: { long } } }));
  assert.ok(code.includes('String.join("", "'));
  assert.equal(literals(code).filter((text) => /^ä+$/.test(text)).join(''), long);
});

test('what a client cannot write is left out, and it says so', () => {
  assert.deepEqual(leaveOut({ a: null, b: [1, null, { c: null, d: 2 }] }, (value) => value === null), { headers: { b: [1, { d: 2 }] }, leftOut: ['a', 'b[1]', 'b[2].c'] });
  const message = publish({ properties: { cluster_id: 'k', headers: { none: null, 'f\n1': 1e300, half: 0.5 } } });
  assert.match(written('curl', message), /^# The HTTP API takes no null, so it is left out: none\n/);
  assert.match(written('pika', message), /left out: f\\n1\n/);
  assert.match(written('pika', message), /'half': Decimal\('0\.5'\)/);
  assert.match(written('amqplib', message), /cannot set cluster_id/);
  assert.match(written('go', message), /cannot set cluster_id/);
});

test('the URI says how to get in', () => {
  assert.equal(uriOf(nasty), 'amqp://guest:guest@broker.example:5672/v%27x%2F%C3%BC');
  assert.equal(uriOf(publish({ vhost: '/', broker: { ...BROKER, host: '::1', tls: true, user: 'a:b' } })), 'amqps://a%3Ab:PASSWORD@[::1]:5672/%2F');
});

test('shells see one word', () => {
  assert.equal(quoteShell('plain/path-1'), 'plain/path-1');
  for (const text of ['', "it's", 'a b', '$x', '`x`', NASTY.replaceAll('\u0000', '')]) {
    assert.equal(spawnSync('bash', ['-c', `printf %s ${quoteShell(text)}`], { encoding: 'utf8' }).stdout, text);
  }
});
