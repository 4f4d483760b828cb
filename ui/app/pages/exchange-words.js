/** What exchanges are, in words. */
import { link } from '../router.js';

/** The name in addresses: the default exchange has none. */
export const DEFAULT = 'amq.default';

/** @returns {string} the exchange's name for people */
export const nameOf = ({ name }) => (name === '' ? 'Default exchange' : name);

/** The exchange's page. */
export const linkTo = ({ vhost, name }) => link(['exchanges', vhost, name || DEFAULT]);

/** Messages a second: `publish_in` or `publish_out`. */
export const rateOf = (exchange, name) => exchange.message_stats?.[`${name}_details`]?.rate ?? 0;

/** @returns {string[]} what is worth saying of how it was declared */
export function featuresOf({ durable, auto_delete: autoDelete, internal, arguments: more = {}, type }) {
  const delayed = type === 'x-delayed-message' ? `as ${more['x-delayed-type'] ?? '?'}` : null;
  const other = more['alternate-exchange'] ? `alternate exchange ${more['alternate-exchange']}` : null;
  return [durable ? 'durable' : 'transient', autoDelete && 'deletes itself', internal && 'internal', delayed, other].filter(Boolean);
}

/** What goes wrong at an exchange, or null. */
export function troubleOf(exchange) {
  const [into, out] = [rateOf(exchange, 'publish_in'), rateOf(exchange, 'publish_out')];
  if (into > 0 && out === 0) return { label: 'reaches no queue', help: 'Messages are published to it, and no queue gets any of them' };
  return null;
}

/** How an exchange of a type chooses, in a sentence. */
export const TYPES = {
  direct: 'A message goes to the queues that are bound with exactly its routing key.',
  fanout: 'A message goes to all queues that are bound, whatever its routing key.',
  topic: 'A message goes to the queues whose pattern fits the words of its routing key: * is one word, # any number of words.',
  headers: "A message goes to the queues whose conditions its headers meet: all of them, or any, as x-match says.",
  'x-delayed-message': 'A message waits for as long as its header x-delay says, and is then routed as by the type in x-delayed-type.',
  'x-consistent-hash': 'A message goes to one of the queues, by a hash of its routing key; a binding key is the weight of its queue.',
  'x-modulus-hash': 'A message goes to one of the queues, by a hash of its routing key.',
  'x-random': 'A message goes to one of the queues, by chance.',
  'x-local-random': 'A message goes to one of the queues, by chance.',
};
