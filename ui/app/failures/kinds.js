/**
 * What can go wrong with a message, and what became of it. Pure.
 * `fate`: `again` it is back in its queue or will be; `elsewhere` it was dead-lettered; `gone` it is in no queue any more.
 * @typedef {{label: string, tone: 'bad' | 'warn' | 'plain', fate: 'again' | 'elsewhere' | 'gone', help: string}} Kind
 */

/** @type {Record<string, Kind>} */
export const KINDS = {
  'dead-lettered': { label: 'dead-lettered', tone: 'bad', fate: 'elsewhere', help: 'It went to the dead-letter exchange.' },
  dropped: { label: 'dropped', tone: 'bad', fate: 'gone', help: 'It is gone: there was nowhere to send it.' },
  unroutable: { label: 'unroutable', tone: 'bad', fate: 'gone', help: 'No binding matched what was published.' },
  returned: { label: 'returned', tone: 'warn', fate: 'gone', help: 'No binding matched, and its publisher got it back.' },
  refused: { label: 'refused', tone: 'bad', fate: 'gone', help: 'The queue or the broker did not take it.' },
  duplicate: { label: 'duplicate', tone: 'plain', fate: 'gone', help: 'It was there already, and was not kept twice.' },
  'timed-out': { label: 'timed out', tone: 'warn', fate: 'again', help: 'Its consumer did not ack in time.' },
  failed: { label: 'failed', tone: 'warn', fate: 'again', help: 'Its consumer said that it failed.' },
  requeued: { label: 'requeued', tone: 'plain', fate: 'again', help: 'Its consumer gave it back.' },
  delayed: { label: 'delayed', tone: 'plain', fate: 'again', help: 'It waits for its next attempt.' },
  parked: { label: 'parked', tone: 'warn', fate: 'again', help: 'It failed too often in a row and is set aside.' },
  'consumer-lost': { label: 'consumer lost', tone: 'warn', fate: 'again', help: 'Its consumer went without an ack.' },
  'connection-lost': { label: 'connection lost', tone: 'warn', fate: 'again', help: 'The connection of its consumer broke.' },
};

const REASONS = {
  rejected: 'rejected',
  expired: 'expired',
  maxlen: 'queue full',
  delivery_limit: 'delivery limit',
  'by-hand': 'by hand',
  memory: 'memory alarm',
  disk: 'disk alarm',
  permission: 'no permission',
};

/** Whether an event tells of a failure. */
export function isFailure(event) {
  return event.what in KINDS;
}

/** @param {string} what */
export function kindOf(what) {
  return KINDS[what] ?? { label: what.replaceAll('-', ' '), tone: 'plain', fate: 'again', help: '' };
}

/**
 * A reason in words: `maxlen` is "queue full".
 * @param {string | null | undefined} reason
 */
export function reasonInWords(reason) {
  return reason ? (REASONS[reason] ?? reason.replaceAll(/[_-]/g, ' ')) : '';
}
