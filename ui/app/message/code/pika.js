/** Python, with pika. */

import { Indent, block, comment, contentOf, decimal, digits, headersOf, kindOf, leaveOut, plainProperties, uriOf } from './publish.js';
import { quoteBytes, quoter, utf32 } from './quote.js';

const quote = quoter({ quote: "'", point: utf32 });

/** @param {import('./publish.js').Publish} publish */
export function pika(publish) {
  const { headers, leftOut } = leaveOut(headersOf(publish), (value) => kindOf(value) === 'float' && !isDecimal(value));
  return [
    ...(hasFloat(headers) ? ['from decimal import Decimal', ''] : []),
    'import pika',
    '',
    `connection = pika.BlockingConnection(pika.URLParameters(${quote(uriOf(publish))}))`,
    'channel = connection.channel()',
    '# Without this nobody is told when a message goes nowhere.',
    'channel.confirm_delivery()',
    'channel.basic_publish(',
    `    exchange=${quote(publish.exchange)},`,
    `    routing_key=${quote(publish.routingKey)},`,
    `    body=${body(contentOf(publish))},`,
    ...(leftOut.length > 0 ? [`    # pika has no floating-point numbers, so this is left out: ${comment(leftOut)}`] : []),
    `    properties=${properties(publish, headers)},`,
    '    mandatory=True,',
    ')',
    'connection.close()',
    '',
  ].join('\n');
}

function body(content) {
  switch (content.kind) {
    case 'text': return `${quote(content.text)}.encode()`;
    case 'bytes': return `b${quoteBytes(content.bytes, "'")}`;
    default: return `open(${quote(content.name)}, 'rb').read()`;
  }
}

/** pika writes decimals, of 32 bits, instead of floating-point numbers. */
function isDecimal(number) {
  const match = /^-?(\d+)\.(\d+)$/.exec(decimal(number));
  return match !== null && Number(match[1] + match[2]) < 2 ** 31;
}

function hasFloat(value) {
  if (kindOf(value) === 'float') return true;
  return typeof value === 'object' && value !== null && Object.values(value).some(hasFloat);
}

function properties(publish, headers) {
  const indent = new Indent('    ', 1);
  const plain = plainProperties(publish).map(([name, value]) => `${name}=${literal(value, indent)}`);
  return block('pika.BasicProperties(', headers === null ? plain : [...plain, `headers=${literal(headers, indent.in())}`], ')', indent);
}

function literal(value, indent) {
  switch (kindOf(value)) {
    case 'null': return 'None';
    case 'flag': return value ? 'True' : 'False';
    case 'text': return quote(value);
    case 'float': return `Decimal(${quote(decimal(value))})`;
    case 'list': return block('[', value.map((item) => literal(item, indent.in())), ']', indent);
    case 'table': return block('{', Object.entries(value).map(([key, item]) => `${quote(key)}: ${literal(item, indent.in())}`), '}', indent);
    default: return digits(value);
  }
}
