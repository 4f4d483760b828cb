/** Where clients find this broker: for what is copied into a program. */
import { base, get } from '../api.js';
import { session } from '../session.js';

/** @returns {Promise<{host: string, port: number, tls: boolean, http: string, user: string}>} `http`: the API's origin */
export async function brokerOf() {
  const { listeners = [] } = await get('/api/overview?columns=listeners', { quiet: true });
  return brokerIn(listeners);
}

/** The same, of listeners that are known. */
export function brokerIn(listeners) {
  const amqp = listeners.find((one) => one.protocol === 'amqp') ?? listeners.find((one) => one.protocol === 'amqp/ssl');
  return {
    host: location.hostname, port: amqp?.port ?? 5672, tls: amqp?.protocol === 'amqp/ssl', http: location.origin + base, user: session.peek()?.name ?? 'guest',
  };
}

/** A URI to connect with, to be copied; the password is not known here. */
export function uriOf({ host, port, tls, user }, vhost) {
  return `${tls ? 'amqps' : 'amqp'}://${encodeURIComponent(user)}:PASSWORD@${host}:${port}/${encodeURIComponent(vhost)}`;
}
