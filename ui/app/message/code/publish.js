/** What a program needs to publish a message again. */

import { isReadable, textOf } from '../bytes.js';

/** Bytes of a body that a program has in its text; a longer one it reads from a file. */
export const INLINE_MAX = 8 * 1024;

/**
 * @typedef {object} Publish
 * @property {string} vhost
 * @property {string} exchange
 * @property {string} routingKey
 * @property {object} properties as the API names them, with `headers`
 * @property {Uint8Array} body
 * @property {string} file the name of a file with the body
 * @property {{host: string, port: number, tls: boolean, http: string, user: string}} broker `http`: the API's origin
 *
 * @typedef {{kind: 'text', text: string}|{kind: 'bytes', bytes: Uint8Array}|{kind: 'file', name: string}} Content
 */

/** How a program has the body. @returns {Content} */
export function contentOf({ body, file }) {
  if (body.length > INLINE_MAX) return { kind: 'file', name: file };
  const text = textOf(body);
  return text !== null && isReadable(text) ? { kind: 'text', text } : { kind: 'bytes', bytes: body };
}

/** The URI to connect to. Nobody but guest has a password that is known here. */
export function uriOf({ vhost, broker: { host, port, tls, user } }) {
  const password = user === 'guest' ? 'guest' : 'PASSWORD';
  const name = encodeURIComponent(user).replaceAll("'", '%27');
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return `${tls ? 'amqps' : 'amqp'}://${name}:${password}@${address}:${port}/${encodeURIComponent(vhost).replaceAll("'", '%27')}`;
}

/** The properties but for the headers, in the order of the protocol. @returns {[string, string|number][]} */
export function plainProperties({ properties }) {
  return ORDER.filter((name) => properties[name] !== undefined && properties[name] !== null).map((name) => [name, properties[name]]);
}

/** The headers, or null if there are none. */
export function headersOf({ properties: { headers } }) {
  return headers && Object.keys(headers).length > 0 ? headers : null;
}

const ORDER = [
  'content_type', 'content_encoding', 'delivery_mode', 'priority', 'correlation_id', 'reply_to', 'expiration', 'message_id', 'timestamp', 'type',
  'user_id', 'app_id', 'cluster_id',
];

/** `content_type` as `contentType`. */
export function camel(name) {
  return name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
}

/** `content_type` as `ContentType`. */
export function pascal(name) {
  const short = camel(name);
  return short[0].toUpperCase() + short.slice(1);
}

/**
 * What a header's value is. JSON has no widths, so whole numbers are as wide as they need to be.
 * @returns {'null'|'flag'|'int32'|'int64'|'float'|'text'|'list'|'table'}
 */
export function kindOf(value) {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'boolean') return 'flag';
  if (typeof value === 'string') return 'text';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'object') return 'table';
  if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 63) return 'float';
  return value >= -(2 ** 31) && value < 2 ** 31 ? 'int32' : 'int64';
}

/**
 * Headers without the values that a client cannot write, at any depth, and where those were.
 * @returns {{headers: object|null, leftOut: string[]}}
 */
export function leaveOut(headers, isUnwritable) {
  const leftOut = [];
  const entriesOf = (entries, pathTo) => entries.flatMap(([name, value]) => {
    if (!isUnwritable(value)) return [[name, go(value, pathTo(name))]];
    leftOut.push(pathTo(name));
    return [];
  });
  const go = (value, path) => {
    if (Array.isArray(value)) return entriesOf([...value.entries()], (at) => `${path}[${at}]`).map(([, item]) => item);
    if (kindOf(value) !== 'table') return value;
    return Object.fromEntries(entriesOf(Object.entries(value), (name) => (path === '' ? name : `${path}.${name}`)));
  };
  return { headers: headers === null ? null : go(headers, ''), leftOut };
}

/** Names in a comment, which must end where its line ends. */
export function comment(names) {
  return names.map((name) => JSON.stringify(name).slice(1, -1).replace(/[^\x20-\x7e]/g, '?')).join(', ');
}

/** A whole number in all its digits. */
export function digits(number) {
  return BigInt(number).toString();
}

/** A float as all these languages read it. */
export function decimal(number) {
  const text = String(number);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Items in lines of their own, between two brackets, with a comma after each. */
export function block(open, items, close, indent) {
  if (items.length === 0) return open + close;
  return `${open}\n${items.map((item) => `${indent.deeper()}${item},\n`).join('')}${indent.text}${close}`;
}

/** How far lines are in. */
export class Indent {
  constructor(step, level = 0) {
    this.step = step;
    this.level = level;
  }

  get text() {
    return this.step.repeat(this.level);
  }

  deeper() {
    return this.in().text;
  }

  in() {
    return new Indent(this.step, this.level + 1);
  }
}
