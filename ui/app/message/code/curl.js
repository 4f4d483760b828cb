/** Over the HTTP API, with curl. */

import { toBase64 } from '../bytes.js';
import { comment, contentOf, headersOf, kindOf, leaveOut } from './publish.js';
import { quoteJson, quoteShell } from './quote.js';

/** @param {import('./publish.js').Publish} publish */
export function curl(publish) {
  const { headers, leftOut } = leaveOut(headersOf(publish), (value) => kindOf(value) === 'null');
  const writable = headers === null ? publish : { ...publish, properties: { ...publish.properties, headers } };
  const content = contentOf(publish);
  const command = content.kind === 'file' ? fromFile(writable, content.name) : inline(writable, content);
  return leftOut.length === 0 ? command : `# The HTTP API takes no null, so it is left out: ${comment(leftOut)}\n${command}`;
}

function inline(publish, content) {
  const payload = content.kind === 'text'
    ? { payload: content.text, payload_encoding: 'string' }
    : { payload: toBase64(content.bytes), payload_encoding: 'base64' };
  // No line of it can end the text: each begins with a space or a brace.
  return [...command(publish), "  --data-binary @- <<'END'", quoteJson({ ...addressed(publish), ...payload }), 'END', ''].join('\n');
}

function fromFile(publish, name) {
  const begin = JSON.stringify({ ...addressed(publish), payload_encoding: 'base64', payload: '' }).slice(0, -2);
  return [
    '{',
    `  printf %s ${quoteShell(begin)}`,
    `  base64 < ${quoteShell(name)} | tr -d '\\n'`,
    `  printf %s '"}'`,
    `} | ${command(publish).join('\n')}`,
    '  --data-binary @-',
    '',
  ].join('\n');
}

function command({ vhost, exchange, broker }) {
  // The default exchange has no name that a path could have.
  const path = `/api/exchanges/${encodeURIComponent(vhost)}/${encodeURIComponent(exchange || 'amq.default')}/publish`;
  const user = broker.user === 'guest' ? 'guest:guest' : broker.user;
  return [
    `curl -u ${quoteShell(user)} -H 'content-type: application/json' \\`,
    `  ${quoteShell(broker.http + path)} \\`,
  ];
}

function addressed({ routingKey, properties }) {
  return { routing_key: routingKey, properties };
}
