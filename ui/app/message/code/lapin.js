/** Rust, with lapin. */

import { Indent, contentOf, decimal, digits, headersOf, kindOf, plainProperties, uriOf } from './publish.js';
import { braced, quoteBytes, quoter } from './quote.js';

const quote = quoter({ quote: '"', point: braced });

/** @param {import('./publish.js').Publish} publish */
export function lapin(publish) {
  const headers = headersOf(publish);
  return [
    '// cargo add lapin; cargo add tokio --features full',
    'use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};',
    ...imports(headers),
    'use lapin::{BasicProperties, Connection, ConnectionProperties};',
    '',
    '#[tokio::main]',
    'async fn main() -> Result<(), Box<dyn std::error::Error>> {',
    `    let connection = Connection::connect(${quote(uriOf(publish))}, ConnectionProperties::default()).await?;`,
    '    let channel = connection.create_channel().await?;',
    '    channel.confirm_select(ConfirmSelectOptions::default()).await?;',
    ...(headers === null ? [] : statements(headers)),
    `    let properties = BasicProperties::default()${properties(publish, headers)};`,
    '    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };',
    `    let body = ${body(contentOf(publish))};`,
    `    let published = channel.basic_publish(${quote(publish.exchange)}.into(), ${quote(publish.routingKey)}.into(), options, &body[..], properties).await?;`,
    '    println!("{:?}", published.await?);',
    '    Ok(())',
    '}',
    '',
  ].join('\n');
}

function imports(headers) {
  if (headers === null) return [];
  const names = ['AMQPValue', ...(hasList(headers) ? ['FieldArray'] : []), 'FieldTable'];
  return [`use lapin::types::{${names.join(', ')}};`];
}

function hasList(value) {
  return Array.isArray(value) || (kindOf(value) === 'table' && Object.values(value).some(hasList));
}

function body(content) {
  switch (content.kind) {
    case 'text': return `${quote(content.text)}.as_bytes()`;
    case 'bytes': return `b${quoteBytes(content.bytes, '"')}`;
    default: return `std::fs::read(${quote(content.name)})?`;
  }
}

const NUMBERS = { delivery_mode: 'u8', priority: 'u8', timestamp: 'u64' };

function properties(publish, headers) {
  const plain = plainProperties(publish).map(([name, value]) => {
    const written = name in NUMBERS ? digits(value) : `${quote(value)}.into()`;
    return `\n        .with_${name}(${written})`;
  });
  return [...plain, ...(headers === null ? [] : ['\n        .with_headers(headers)'])].join('');
}

/** A table is made step by step. */
function statements(headers) {
  const indent = new Indent('    ', 1);
  return [
    `${indent.text}let mut headers = FieldTable::default();`,
    ...Object.entries(headers).map(([name, value]) => `${indent.text}headers.insert(${quote(name)}.into(), ${literal(value, indent)});`),
  ];
}

function literal(value, indent) {
  switch (kindOf(value)) {
    case 'null': return 'AMQPValue::Void';
    case 'flag': return `AMQPValue::Boolean(${value})`;
    case 'int32': return `AMQPValue::LongInt(${digits(value)})`;
    case 'int64': return `AMQPValue::LongLongInt(${digits(value)})`;
    case 'float': return `AMQPValue::Double(${decimal(value)})`;
    case 'text': return `AMQPValue::LongString(${quote(value)}.into())`;
    case 'list': return `AMQPValue::FieldArray(${list(value, indent)})`;
    default: return `AMQPValue::FieldTable(${table(value, indent)})`;
  }
}

function list(items, indent) {
  if (items.length === 0) return 'FieldArray::default()';
  const lines = items.map((item) => `${indent.deeper()}${literal(item, indent.in())},\n`);
  return `FieldArray::from(vec![\n${lines.join('')}${indent.text}])`;
}

function table(fields, indent) {
  const entries = Object.entries(fields);
  if (entries.length === 0) return 'FieldTable::default()';
  const inserted = entries.map(([name, value]) => `${indent.deeper()}table.insert(${quote(name)}.into(), ${literal(value, indent.in())});\n`);
  return `{\n${indent.deeper()}let mut table = FieldTable::default();\n${inserted.join('')}${indent.deeper()}table\n${indent.text}}`;
}
