/**
 * What a policy can set: one row a key, in the order in which forms offer them. `kind` is how a value is written and checked.
 * @typedef {{key: string, group: string, label: string, help: string, kind: 'duration' | 'count' | 'size' | 'text' | 'exchange' | 'choice' | 'durations' | 'number' | 'flag',
 *   choices?: string[], none?: number, operator?: boolean, on: 'queues' | 'exchanges'}} PolicyKey
 */

const queues = (group, rows) => rows.map(([key, kind, label, help, more = {}]) => ({ key, kind, group, label, help, on: 'queues', ...more }));

/** @type {PolicyKey[]} */
export const POLICY_KEYS = [
  ...queues('Limits', [
    ['max-length', 'count', 'Messages at most', 'Above it the oldest goes, or what overflow says.', { operator: true }],
    ['max-length-bytes', 'size', 'Bytes at most', 'Of message bodies.', { operator: true }],
    ['max-age', 'text', 'Oldest message of a stream', 'A number and Y, M, D, h, m or s: 7D.'],
    ['overflow', 'choice', 'When it is full', 'Drop the oldest, or refuse what is published.', { choices: ['drop-head', 'reject-publish', 'reject-publish-dlx'] }],
    ['message-ttl', 'duration', 'Message lifetime', 'For messages to come.', { operator: true }],
    ['expires', 'duration', 'Queue lifetime', 'A queue that nobody uses for so long is deleted.', { operator: true }],
  ]),
  ...queues('Dead letters', [
    ['dead-letter-exchange', 'exchange', 'Dead-letter exchange', 'Where messages go that die. Empty: the default exchange.'],
    ['dead-letter-routing-key', 'text', 'Dead-letter routing key', 'Else the message keeps its own.'],
  ]),
  ...queues('Failed deliveries', [
    ['delivery-limit', 'count', 'Delivery limit', 'How often a message may come back before it is dead. -1: no limit.', { none: -1, operator: true }],
    ['delivery-count-mode', 'choice', 'What counts', 'Every way of coming back, or failures only.', { choices: ['all', 'failed'] }],
    ['consumer-timeout', 'duration', 'Ack timeout', 'How long a consumer may take. 0: no timeout.', { operator: true }],
    ['consumer-timeout-action', 'choice', 'After an ack timeout', 'The message comes back; the consumer is cancelled; or its channel is closed.', { choices: ['requeue', 'cancel', 'close'] }],
  ]),
  ...queues('Delayed retries', [
    ['delayed-retry-type', 'choice', 'What is retried later', 'After a failure a message waits before it is delivered again.', { choices: ['all', 'failed', 'returned', 'disabled'] }],
    ['delayed-retry-min', 'duration', 'First wait', 'A second, if it is not set.'],
    ['delayed-retry-max', 'duration', 'Longest wait', 'A minute, if it is not set.'],
    ['delayed-retry-multiplier', 'number', 'Multiplier', 'Each wait is so many times the last one.'],
    ['delayed-retry-steps', 'durations', 'Waits one by one', 'Such as 1 s, 1 min, 10 min; the last one stays.'],
    ['delayed-retry-jitter', 'count', 'Jitter (%)', 'Each wait is shorter by up to so much, so that not all come at once.'],
  ]),
  ...queues('Parking', [
    ['parking-after', 'count', 'Park after', 'So many failures in a row set a message aside.'],
    ['parking-ttl', 'duration', 'Parked for', 'An hour, if it is not set.'],
    ['parking-limit', 'count', 'Rounds at most', 'After so many a message is dead.'],
  ]),
  ...queues('Duplicates', [
    ['message-deduplication', 'flag', 'Deduplicate', 'A message with a key that was seen is confirmed and not kept.'],
    ['cache-size', 'count', 'Keys to remember', ''],
    ['cache-ttl', 'duration', 'Remember for', ''],
    ['deduplication-header', 'text', 'Header with the key', ''],
  ]),
  { key: 'alternate-exchange', kind: 'exchange', group: 'Exchanges', label: 'Alternate exchange', help: 'Where messages go that match no binding.', on: 'exchanges' },
];

const BY_KEY = new Map(POLICY_KEYS.map((row) => [row.key, row]));

/**
 * @param {string} key
 * @returns {PolicyKey | undefined} Undefined: one of RabbitMQ's or a plugin's that is kept and has no form of its own.
 */
export function policyKey(key) {
  return BY_KEY.get(key);
}

/**
 * The rows that a policy may have.
 * @param {{operator: boolean, applyTo: string}} policy
 */
export function offered({ operator, applyTo }) {
  return POLICY_KEYS.filter(
    (row) => (!operator || row.operator) && (applyTo === 'all' || (applyTo === 'exchanges') === (row.on === 'exchanges')),
  );
}
