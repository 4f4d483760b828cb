/** What can be shown of a body, and how it is shown best. */

import { bytesOf, isReadable, textOf } from './bytes.js';
import { isDocument } from './json.js';
import { unpack } from './unpack.js';

/**
 * @typedef {object} Body
 * @property {Uint8Array} bytes unpacked
 * @property {Uint8Array} published as it was published
 * @property {string[]} steps what was undone to get from `published` to `bytes`
 * @property {string|null} problem what could not be undone, in plain words
 * @property {string|null} text the bytes as text; null if they are none
 * @property {string} charset
 * @property {('json'|'text'|'hex')[]} views in which it can be shown, the best first
 */

/**
 * @param {{payload: string, payload_encoding: string, properties: object}} message as the API shows it
 * @returns {Promise<Body>}
 */
export async function readBody(message) {
  const published = bytesOf(message);
  const { content_type: type = '', content_encoding: encoding = '' } = message.properties ?? {};
  const unpacked = await unpack(published, encoding);
  const charset = charsetOf(type) ?? unpacked.charset ?? 'utf-8';
  const text = textOf(unpacked.bytes, charset);
  return {
    bytes: unpacked.bytes, published, steps: unpacked.steps, problem: unpacked.problem, text, charset,
    views: viewsOf(unpacked.bytes, text),
  };
}

/** `charset` of a content type, as in `text/plain; charset=latin1`. */
export function charsetOf(contentType) {
  const found = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType);
  return found === null ? null : found[1].toLowerCase();
}

function viewsOf(bytes, text) {
  if (text === null) return ['hex'];
  if (isDocument(text)) return ['json', 'text', 'hex'];
  // What has control characters is text by accident; people may still want to see it so.
  return isReadable(text) ? ['text', 'hex'] : ['hex', 'text'];
}

/** Its name as a file. */
export function fileName(queue, position, body) {
  const plain = queue.replace(/[^\w.-]+/g, '-').slice(0, 80) || 'message';
  const ending = { json: 'json', text: 'txt', hex: 'bin' }[body.views[0]];
  return `${plain}-${position}.${ending}`;
}
