/** Java, with RabbitMQ's client. */

import { toBase64 } from '../bytes.js';
import { camel, contentOf, decimal, digits, headersOf, kindOf, plainProperties, uriOf } from './publish.js';
import { quoter, utf16 } from './quote.js';

const quoteShort = quoter({ quote: '"', point: utf16 });
/** Characters of a literal: the compiler takes 65,535 bytes. */
const LITERAL_MAX = 16_000;

/** @param {import('./publish.js').Publish} publish */
export function java(publish) {
  const content = contentOf(publish);
  return [
    'import com.rabbitmq.client.AMQP;',
    'import com.rabbitmq.client.Channel;',
    'import com.rabbitmq.client.Connection;',
    'import com.rabbitmq.client.ConnectionFactory;',
    'import java.nio.charset.StandardCharsets;',
    'import java.nio.file.*;',
    'import java.util.*;',
    '',
    'public final class Publish {',
    '  public static void main(String[] args) throws Exception {',
    '    ConnectionFactory factory = new ConnectionFactory();',
    `    factory.setUri(${quote(uriOf(publish))});`,
    ...statements(headersOf(publish)),
    '    AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder()',
    ...properties(publish),
    '        .build();',
    `    byte[] body = ${body(content)};`,
    '    try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {',
    '      channel.confirmSelect();',
    `      channel.basicPublish(${quote(publish.exchange)}, ${quote(publish.routingKey)}, true, properties, body);`,
    '      channel.waitForConfirmsOrDie(5_000);',
    '    }',
    '  }',
    '}',
    '',
  ].join('\n');
}

function body(content) {
  switch (content.kind) {
    case 'text': return `${quote(content.text)}.getBytes(StandardCharsets.UTF_8)`;
    case 'bytes': return `Base64.getDecoder().decode(${quote(toBase64(content.bytes))})`;
    default: return `Files.readAllBytes(Paths.get(${quote(content.name)}))`;
  }
}

function properties(publish) {
  const plain = plainProperties(publish).map(([name, value]) => {
    if (name === 'timestamp') return `.timestamp(new Date(${digits(value)}000L))`;
    return `.${camel(name)}(${typeof value === 'string' ? quote(value) : digits(value)})`;
  });
  const all = headersOf(publish) === null ? plain : ['.headers(headers)', ...plain];
  return all.map((call) => `        ${call}`);
}

/** Maps that may hold null have no literal, so they are filled step by step. */
function statements(headers) {
  if (headers === null) return [];
  const lines = [];
  let tables = 0;
  const fill = (name, fields) => {
    lines.push(`    Map<String, Object> ${name} = new LinkedHashMap<>();`);
    for (const [key, value] of Object.entries(fields)) lines.push(`    ${name}.put(${quote(key)}, ${literal(value)});`);
  };
  // A table within is filled before it is used, in lines before.
  const literal = (value) => {
    switch (kindOf(value)) {
      case 'null': return '(Object) null';
      case 'flag': return String(value);
      case 'int64': return `${digits(value)}L`;
      case 'float': return decimal(value);
      case 'text': return quote(value);
      case 'list': return `Arrays.<Object>asList(${value.map(literal).join(', ')})`;
      case 'table': {
        tables += 1;
        const name = `table${tables}`;
        fill(name, value);
        return name;
      }
      default: return digits(value);
    }
  };
  fill('headers', headers);
  return lines;
}

function quote(text) {
  if (text.length <= LITERAL_MAX) return quoteShort(text);
  const pieces = [];
  const chars = Array.from(text);
  for (let at = 0; at < chars.length; at += LITERAL_MAX) pieces.push(quoteShort(chars.slice(at, at + LITERAL_MAX).join('')));
  return `String.join("", ${pieces.join(', ')})`;
}
