/** Go, with amqp091-go. */

import { Indent, block, contentOf, decimal, digits, headersOf, kindOf, pascal, plainProperties, uriOf } from './publish.js';
import { quoteBytes, quoter, utf32 } from './quote.js';

const quote = quoter({ quote: '"', point: utf32 });

/** @param {import('./publish.js').Publish} publish */
export function go(publish) {
  const content = contentOf(publish);
  return [
    'package main',
    '',
    'import (',
    ...imports(publish, content),
    ')',
    '',
    'func main() {',
    `\tconnection, err := amqp.Dial(${quote(uriOf(publish))})`,
    '\tcheck(err)',
    '\tdefer connection.Close()',
    '\tchannel, err := connection.Channel()',
    '\tcheck(err)',
    '\tcheck(channel.Confirm(false))',
    ...(content.kind === 'file' ? [`\tbody, err := os.ReadFile(${quote(content.name)})`, '\tcheck(err)'] : []),
    ...('cluster_id' in publish.properties ? ['\t// amqp091-go cannot set cluster_id.'] : []),
    '\tconfirmation, err := channel.PublishWithDeferredConfirmWithContext(context.Background(),',
    `\t\t${quote(publish.exchange)}, ${quote(publish.routingKey)}, true, false, ${publishing(publish, content)})`,
    '\tcheck(err)',
    '\tlog.Println("confirmed:", confirmation.Wait())',
    '}',
    '',
    'func check(err error) {',
    '\tif err != nil {',
    '\t\tlog.Fatal(err)',
    '\t}',
    '}',
    '',
  ].join('\n');
}

function imports({ properties }, content) {
  const standard = ['context', 'log', content.kind === 'file' ? 'os' : null, 'timestamp' in properties ? 'time' : null];
  return [...standard.filter(Boolean).map((name) => `\t"${name}"`), '', '\tamqp "github.com/rabbitmq/amqp091-go"'];
}

/** A name that differs from the API's. */
const NAMES = { message_id: 'MessageId', correlation_id: 'CorrelationId', user_id: 'UserId', app_id: 'AppId' };

function publishing(publish, content) {
  const indent = new Indent('\t', 2);
  const plain = plainProperties(publish).filter(([name]) => name !== 'cluster_id');
  const fields = plain.map(([name, value]) => [NAMES[name] ?? pascal(name), name === 'timestamp' ? `time.Unix(${digits(value)}, 0)` : plainValue(value)]);
  const headers = headersOf(publish);
  if (headers !== null) fields.unshift(['Headers', literal(headers, indent.in())]);
  fields.push(['Body', body(content)]);
  return block('amqp.Publishing{', aligned(fields), '}', indent);
}

const plainValue = (value) => (typeof value === 'string' ? quote(value) : digits(value));

/** As gofmt writes fields: values of lines one below the other start together. */
function aligned(fields) {
  const isLong = ([, value]) => value.includes('\n');
  const width = Math.max(...fields.filter((field) => !isLong(field)).map(([name]) => name.length));
  return fields.map((field) => (isLong(field) ? `${field[0]}: ${field[1]}` : `${`${field[0]}:`.padEnd(width + 1)} ${field[1]}`));
}

function body(content) {
  switch (content.kind) {
    case 'text': return `[]byte(${quote(content.text)})`;
    case 'bytes': return `[]byte(${quoteBytes(content.bytes, '"')})`;
    default: return 'body';
  }
}

function literal(value, indent) {
  switch (kindOf(value)) {
    case 'null': return 'nil';
    case 'flag': return String(value);
    case 'int32': return `int32(${digits(value)})`;
    case 'int64': return `int64(${digits(value)})`;
    case 'float': return `float64(${decimal(value)})`;
    case 'text': return quote(value);
    case 'list': return block('[]interface{}{', value.map((item) => literal(item, indent.in())), '}', indent);
    default: return block('amqp.Table{', Object.entries(value).map(([name, item]) => `${quote(name)}: ${literal(item, indent.in())}`), '}', indent);
  }
}
