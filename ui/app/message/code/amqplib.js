/** JavaScript for Node.js, with amqplib. */

import { toBase64 } from '../bytes.js';
import { Indent, block, camel, contentOf, decimal, digits, headersOf, kindOf, plainProperties, uriOf } from './publish.js';
import { braced, quoter } from './quote.js';

const quote = quoter({ quote: "'", point: braced });
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** @param {import('./publish.js').Publish} publish */
export function amqplib(publish) {
  const content = contentOf(publish);
  return [
    "import amqp from 'amqplib';",
    ...(content.kind === 'file' ? ["import { readFile } from 'node:fs/promises';"] : []),
    '',
    `const connection = await amqp.connect(${quote(uriOf(publish))});`,
    'const channel = await connection.createConfirmChannel();',
    "channel.on('return', () => console.error('It went nowhere: no queue takes it.'));",
    ...notPossible(publish),
    `channel.publish(${quote(publish.exchange)}, ${quote(publish.routingKey)}, ${body(content)}, ${options(publish)});`,
    'await channel.waitForConfirms();',
    'await connection.close();',
    '',
  ].join('\n');
}

function notPossible({ properties }) {
  return properties.cluster_id === undefined ? [] : ['// amqplib cannot set cluster_id.'];
}

function body(content) {
  switch (content.kind) {
    case 'text': return `Buffer.from(${quote(content.text)})`;
    case 'bytes': return `Buffer.from(${quote(toBase64(content.bytes))}, 'base64')`;
    default: return `await readFile(${quote(content.name)})`;
  }
}

function options(publish) {
  const indent = new Indent('  ');
  const plain = plainProperties(publish).filter(([name]) => name !== 'cluster_id');
  const items = ['mandatory: true', ...plain.map(([name, value]) => `${camel(name)}: ${literal(value, indent)}`)];
  const headers = headersOf(publish);
  return block('{', headers === null ? items : [...items, `headers: ${literal(headers, indent.in())}`], '}', indent);
}

function literal(value, indent) {
  switch (kindOf(value)) {
    case 'null': return 'null';
    case 'flag': return String(value);
    case 'text': return quote(value);
    case 'float': return decimal(value);
    case 'list': return block('[', value.map((item) => literal(item, indent.in())), ']', indent);
    case 'table': return block('{', Object.entries(value).map(([name, item]) => `${key(name)}: ${literal(item, indent.in())}`), '}', indent);
    default: return digits(value);
  }
}

/** A plain `__proto__` would not be a key. */
function key(name) {
  if (name === '__proto__') return "['__proto__']";
  return IDENTIFIER.test(name) ? name : quote(name);
}
