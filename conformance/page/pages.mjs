// Every page by its URL, as a bookmark of it would be. Names are those of its pictures.

const PAGES = {
  overview: '#/',
  queues: '#/queues',
  'queues-filtered': '#/queues?filter=orders',
  queue: '#/queues/%2F/orders.eu',
  'queue-messages': '#/queues/%2F/nobody-listens?tab=messages',
  'queue-unacked': '#/queues/%2F/slow?tab=unacked',
  'queue-delayed': '#/queues/%2F/mail?tab=delayed',
  'queue-parked': '#/queues/%2F/invoices?tab=parked',
  'queue-failures': '#/queues/%2F/orders.eu?tab=failures',
  'queue-consumers': '#/queues/%2F/orders.eu?tab=consumers',
  'queue-bindings': '#/queues/%2F/orders.eu?tab=bindings',
  'queue-settings': '#/queues/%2F/orders.eu?tab=settings',
  'queue-publish': '#/queues/%2F/orders.eu?tab=publish',
  stream: '#/queues/%2F/events',
  'stream-from': '#/queues/%2F/events?from=0',
  'stream-readers': '#/queues/%2F/events?tab=consumers',
  'stream-cursors': '#/queues/%2F/events?tab=cursors',
  'stream-settings': '#/queues/%2F/events?tab=settings',
  'stream-message': '#/queues/%2F/events/messages/0',
  exchanges: '#/exchanges',
  exchange: '#/exchanges/%2F/orders',
  routing: '#/routing',
  topology: '#/topology',
  failures: '#/failures',
  'failures-feed': '#/failures?tab=feed',
  connections: '#/connections',
  channels: '#/channels',
  consumers: '#/consumers',
  portability: '#/portability',
  'portability-target': '#/portability?target=rabbitmq-4.3',
  recorder: '#/recorder',
  users: '#/users',
  vhosts: '#/vhosts',
  vhost: '#/vhosts/%2F',
  policies: '#/policies',
  policy: '#/policies/%2F/orders',
  limits: '#/limits',
  'server-node': '#/admin',
  'server-listeners': '#/admin/listeners',
  'server-definitions': '#/admin/definitions',
  'server-limits': '#/admin/limits',
  'server-may': '#/admin/may',
  'server-features': '#/admin/features',
  'server-log': '#/admin/log',
  nowhere: '#/there-is-no-such-page',
};

/** All pages: those above, and those whose URL has something that only this broker has. */
export async function pages(api) {
  const dynamic = {};
  const [message] = await api.peek('nobody-listens', 'limit=1');
  dynamic.message = `#/queues/%2F/nobody-listens/messages/${message.id}`;
  const connections = await api.get('/connections');
  const worker = connections.find(({ user_provided_name: name }) => name === 'worker slow');
  dynamic.connection = `#/connections/${encodeURIComponent(worker.name)}`;
  const [channel] = await api.get(`/connections/${encodeURIComponent(worker.name)}/channels`);
  dynamic.channel = `#/channels/${encodeURIComponent(channel.name)}`;
  dynamic.user = '#/users/mailer';
  return Object.entries({ ...PAGES, ...dynamic });
}
