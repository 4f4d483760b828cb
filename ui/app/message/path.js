/** The way that x-death tells of, as a list of stations, and what the message was when it was first published. */

/**
 * @typedef {object} Station a queue that the message was in, or is in
 * @property {{exchange: string, keys: string[]}} via how it came there
 * @property {string} queue
 * @property {Death|null} death how it left; null where it is now
 *
 * @typedef {object} Death
 * @property {string} reason
 * @property {number} count how often it left this queue for this reason
 * @property {number|null} at seconds since 1970 of the first time
 * @property {number|null} attempts deliveries before, if the queue counts them
 * @property {number|null} lastAttempt seconds since 1970
 * @property {string|null} error what the last consumer said
 * @property {string|null} consumer the tag of the last consumer
 * @property {string|null} connection
 * @property {string|null} expiration the expiration that it was published with, milliseconds
 */

/** Headers that the broker sets on its way, and not the publisher. */
const OF_BROKER = /^x-(death|first-death-(exchange|queue|reason)|last-death-(exchange|queue|reason)|delivery-count|acquired-count|replays)$/;

/** What the reasons mean. */
export const REASONS = {
  rejected: 'rejected by a consumer',
  expired: 'its time to live was over',
  maxlen: 'the queue was full',
  delivery_limit: 'delivered too often',
};

/**
 * The queues that the message was in, the first one first, and at last the one that it is in. x-death has one entry for a queue and a reason, the
 * latest death first; who publishes can write into headers what he likes, so whatever is not of its form is passed over.
 * @param {{exchange: string, routing_key: string, properties: object}} message as the API shows it
 * @returns {Station[]}
 */
export function pathOf(message, queue) {
  const deaths = deathsOf(message).reverse();
  const stations = deaths.map((death) => ({
    via: { exchange: text(death.exchange) ?? '', keys: texts(death['routing-keys']) },
    queue: death.queue,
    death: describe(death),
  }));
  return [...stations, { via: { exchange: message.exchange ?? '', keys: [message.routing_key ?? ''] }, queue, death: null }];
}

/** Whether it died anywhere. */
export function isDeadLetter(message) {
  return deathsOf(message).length > 0;
}

/**
 * The message as it was first published: to that exchange, with that key, without what the broker wrote into it.
 * @returns {{exchange: string, routing_key: string, properties: object}}
 */
export function asPublished(message) {
  const [first] = deathsOf(message).reverse();
  const properties = withoutBrokersHeaders(message.properties ?? {});
  if (first === undefined) return { ...message, properties };
  const expiration = text(first['original-expiration']);
  return {
    ...message,
    exchange: text(first.exchange) ?? '',
    routing_key: texts(first['routing-keys'])[0] ?? '',
    properties: expiration === null ? properties : { ...properties, expiration },
  };
}

/** The same message at the same place, without what the broker wrote into it. */
export function asNow(message) {
  return { ...message, properties: withoutBrokersHeaders(message.properties ?? {}) };
}

/** @returns {boolean} whether the broker sets this header */
export function isBrokers(header) {
  return OF_BROKER.test(header);
}

function withoutBrokersHeaders(properties) {
  const { headers, ...others } = properties;
  const kept = Object.entries(headers ?? {}).filter(([name]) => !isBrokers(name));
  return kept.length === 0 ? others : { ...others, headers: Object.fromEntries(kept) };
}

function deathsOf(message) {
  const deaths = message.properties?.headers?.['x-death'];
  const isDeath = (entry) => entry !== null && typeof entry === 'object' && typeof entry.queue === 'string';
  return Array.isArray(deaths) ? deaths.filter(isDeath) : [];
}

function describe(death) {
  return {
    reason: text(death.reason) ?? 'unknown',
    count: number(death.count) ?? 1,
    at: number(death.time),
    attempts: number(death.attempts),
    lastAttempt: number(death['last-attempt']),
    error: text(death.error),
    consumer: text(death['consumer-tag']),
    connection: text(death.connection),
    expiration: text(death['original-expiration']),
  };
}

const text = (value) => (typeof value === 'string' ? value : null);
const number = (value) => (typeof value === 'number' ? value : null);
const texts = (value) => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);
