/** What is wrong with a queue, as far as its numbers tell: the worst of it. */

/** Messages that wait for a consumer. */
export const readyOf = (queue) => queue.messages_ready ?? 0;

/** What is in a stream stays there, read or not: it has no messages that wait. */
export const isStream = (queue) => queue.type === 'stream';

/** @returns {{label: string, help: string, tone: 'bad' | 'warn', icon: string} | null} */
export function problemOf(queue) {
  const rateOf = (name) => queue.message_stats?.[`${name}_details`]?.rate ?? 0;
  if (queue.state && queue.state !== 'running' && queue.state !== 'idle' && queue.state !== 'flow') {
    return { label: queue.state, help: `The queue is ${queue.state}: it delivers nothing`, tone: 'bad', icon: 'error' };
  }
  if (isStream(queue)) return null;
  const ready = readyOf(queue);
  if (ready > 0 && queue.consumers === 0) {
    return { label: 'No consumer', help: 'There are messages, and nobody consumes them', tone: 'warn', icon: 'warning' };
  }
  if (queue.messages_parked > 0) {
    return { label: 'Parked messages', help: 'Messages failed too often and wait until somebody decides', tone: 'warn', icon: 'parked' };
  }
  if (ready > 0 && queue.consumers > 0 && queue.consumer_capacity === 0) {
    return { label: 'Prefetch full', help: 'All consumers hold as many messages as they may: they are slow, or do not ack', tone: 'warn', icon: 'unacked' };
  }
  if (queue.messages > 100 && rateOf('publish') > 1 && rateOf('publish') > 1.1 * rateOf('deliver_get') && (queue.messages_details?.rate ?? 0) > 0) {
    return { label: 'Growing', help: 'More messages come in than go out', tone: 'warn', icon: 'up' };
  }
  if (rateOf('redeliver') > 0.2 && rateOf('redeliver') > rateOf('ack') * 0.5) {
    return { label: 'Many redeliveries', help: 'Consumers give many messages back', tone: 'warn', icon: 'replay' };
  }
  return null;
}
