/** What a connection, a channel or a consumer is, in words. Pure. */

/**
 * What the client calls itself: the name that it gave, else the address that it comes from.
 * @param {any} connection
 */
export function clientName(connection) {
  return connection.user_provided_name ?? connection.client_properties?.connection_name ?? shortName(connection.name);
}

/**
 * The name of a connection or channel without the broker's own address: "10.0.0.1:4000 (1)".
 * @param {string} name
 */
export function shortName(name) {
  return name.replace(/ -> \S+/, '');
}

/**
 * Its library with version and platform: "pika 1.3.2 · Python 3.11".
 * @param {any} connection
 */
export function library(connection) {
  const { product, version, platform } = connection.client_properties ?? {};
  const name = [shortProduct(product), text(version)].filter(Boolean).join(' ');
  return [name, text(platform)].filter(Boolean).join(' · ') || 'says nothing about itself';
}

function shortProduct(product) {
  const name = text(product);
  return name === 'Pika Python Client Library' ? 'pika' : name;
}

function text(value) {
  return typeof value === 'string' ? value : '';
}

/**
 * How it is secured: "TLSv1.3, TLS_AES_256_GCM_SHA384", or "not encrypted".
 * @param {any} connection
 */
export function security(connection) {
  if (!connection.ssl) return 'not encrypted';
  return [connection.ssl_protocol, connection.ssl_cipher].filter(Boolean).join(', ');
}

/**
 * The rows that tell about TLS; none without it.
 * @param {any} connection
 * @returns {[string, string][]}
 */
export function tlsRows(connection) {
  if (!connection.ssl) return [];
  const rows = [
    ['Protocol', connection.ssl_protocol],
    ['Cipher', connection.ssl_cipher],
    ['Key exchange', connection.ssl_key_exchange],
    ['Hash', connection.ssl_hash],
    ['Client certificate', connection.peer_cert_subject ?? 'none'],
    ['Issued by', connection.peer_cert_issuer],
    ['Valid', connection.peer_cert_validity],
  ];
  return rows.filter(([, value]) => value);
}

const STATES = {
  running: ['good', 'running'],
  idle: ['plain', 'idle'],
  flow: ['warn', 'slowed down'],
  blocked: ['bad', 'blocked'],
  blocking: ['warn', 'will be blocked when it publishes'],
  starting: ['plain', 'starting'],
  tuning: ['plain', 'starting'],
  opening: ['plain', 'starting'],
  closing: ['plain', 'closing'],
  closed: ['plain', 'closed'],
};

/**
 * A state as a tone and in words.
 * @param {string} state
 * @returns {{tone: 'ok' | 'warn' | 'bad' | 'plain', words: string}}
 */
export function stateOf(state) {
  const [tone, words] = STATES[state] ?? ['plain', state];
  return { tone, words };
}

/**
 * How much of its prefetch a channel or consumer uses: unacked of what it may have. `limit` 0 is no limit.
 * @param {number} unacked
 * @param {number} limit
 * @returns {{part: number | null, isFull: boolean, words: string}}
 */
export function prefetchUse(unacked, limit) {
  if (!limit) return { part: null, isFull: false, words: `${unacked} unacked, no limit` };
  const part = Math.min(1, unacked / limit);
  return { part, isFull: unacked >= limit, words: `${unacked} of ${limit}` };
}

/**
 * How much a channel may have unacked in all: for itself, or for its consumers together. 0: no limit.
 * @param {any} channel
 */
export function channelLimit(channel) {
  if (channel.global_prefetch_count > 0) return channel.global_prefetch_count;
  return channel.prefetch_count * Math.max(1, channel.consumer_count);
}

/**
 * What a channel confirms with: "confirms", "transactions", "".
 * @param {any} channel
 */
export function channelMode(channel) {
  if (channel.transactional) return 'transactions';
  return channel.confirm ? 'confirms' : '';
}

/**
 * The capabilities that a client says it has, the newest word first.
 * @param {any} connection
 * @returns {{name: string, has: boolean}[]}
 */
export function capabilities(connection) {
  const said = connection.client_properties?.capabilities ?? {};
  return Object.keys(said).sort().map((name) => ({ name: name.replaceAll(/[._]/g, ' '), has: said[name] === true }));
}

/**
 * The client properties but the capabilities, as text.
 * @param {any} connection
 * @returns {[string, string][]}
 */
export function properties(connection) {
  const said = Object.entries(connection.client_properties ?? {});
  return said.filter(([key]) => key !== 'capabilities').map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]);
}
