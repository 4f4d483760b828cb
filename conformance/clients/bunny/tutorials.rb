# What RabbitMQ's tutorials do, done with bunny and checked: `tutorials.rb URL`.
#
# With BROKER_RESTART (a command that kills the broker and starts it again) bunny also has to get over a crash in the middle
# of publishing: every message that was confirmed has to be there afterwards.

require 'bunny'
require 'logger'
require 'securerandom'
require 'set'
require 'timeout'

LIMIT_S = 60
ANSWER_S = 10
RESTART_MESSAGES = 300
BEFORE_RESTART = 100
RUN = "bunny-#{SecureRandom.hex(4)}"

def same(what, found, expected)
  raise "#{what}: got #{found.inspect}, expected #{expected.inspect}" unless found == expected
end

def connect(url, **options)
  Bunny.new(url, logger: Logger.new(File::NULL), **options).start
end

# Deliveries of a consumer, as they come.
def consume(queue, manual_ack: false)
  deliveries = Queue.new
  queue.subscribe(manual_ack: manual_ack) { |info, properties, body| deliveries << [info, properties, body] }
  deliveries
end

def take(deliveries)
  Timeout.timeout(ANSWER_S) { deliveries.pop }
end

def hello(connection)
  channel = connection.create_channel
  queue = channel.queue(RUN, exclusive: true)
  queue.publish('Hello World!', content_type: 'text/plain')
  info, properties, body = take(consume(queue, manual_ack: true))
  channel.ack(info.delivery_tag)
  same('message', [body, properties.content_type], ['Hello World!', 'text/plain'])
  channel.close
end

# What a worker had when its channel closed comes back to another.
def work(connection)
  channel, first, second = Array.new(3) { connection.create_channel }
  name = channel.queue("#{RUN}.work", exclusive: true).name
  10.times { |task| channel.default_exchange.publish(task.to_s, routing_key: name) }
  first.prefetch(1)
  same('first task', take(consume(first.queue(name, passive: true), manual_ack: true)).last, '0')
  first.close
  second.prefetch(1)
  deliveries = consume(second.queue(name, passive: true), manual_ack: true)
  10.times do |task|
    info, _, body = take(deliveries)
    second.ack(info.delivery_tag)
    same('task', [body, info.redelivered?], [task.to_s, task.zero?])
  end
  [channel, second].each(&:close)
end

def publish_subscribe(connection)
  channel = connection.create_channel
  logs = channel.fanout("#{RUN}.logs", auto_delete: true)
  subscribers = Array.new(2) { consume(channel.queue('', exclusive: true).bind(logs)) }
  logs.publish('to all')
  subscribers.each { |subscriber| same('message', take(subscriber).last, 'to all') }
  channel.close
end

def route(connection, type, key, through, others)
  channel = connection.create_channel
  exchange = channel.public_send(type, "#{RUN}.#{type}", auto_delete: true)
  deliveries = consume(channel.queue('', exclusive: true).bind(exchange, routing_key: key))
  (others + through).each { |routing_key| exchange.publish(routing_key, routing_key: routing_key) }
  through.each { |routing_key| same('message', take(deliveries).last, routing_key) }
  channel.close
end

def rpc(connection)
  server, client = Array.new(2) { connection.create_channel }
  requests = server.queue("#{RUN}.rpc", exclusive: true)
  served = consume(requests)
  replies = client.queue('', exclusive: true)
  direct = Queue.new
  client.basic_consume('amq.rabbitmq.reply-to', '', true) { |*delivery| direct << delivery }
  { replies.name => consume(replies), 'amq.rabbitmq.reply-to' => direct }.each do |reply_to, answers|
    5.times do |number|
      client.default_exchange.publish(number.to_s, routing_key: requests.name, reply_to: reply_to, correlation_id: "id #{number}")
      _, asked, body = take(served)
      server.default_exchange.publish((2 * body.to_i).to_s, routing_key: asked.reply_to, correlation_id: asked.correlation_id)
      _, properties, answer = take(answers)
      same('answer', [answer, properties.correlation_id], [(2 * number).to_s, "id #{number}"])
    end
  end
  [server, client].each(&:close)
end

def confirms(connection)
  channel = connection.create_channel
  channel.confirm_select
  queue = channel.queue("#{RUN}.durable", durable: true)
  200.times { queue.publish('kept', persistent: true) }
  same('confirmed', channel.wait_for_confirms, true)
  returned = Queue.new
  # bunny finds the handler by the exchange's name, which the default exchange has none of.
  exchange = channel.direct("#{RUN}.nowhere", auto_delete: true)
  exchange.on_return { |info, _, body| returned << [info.reply_code, body] }
  exchange.publish('back', routing_key: 'k', mandatory: true)
  same('return', take(returned), [312, 'back'])
  same('messages', queue.delete.message_count, 200)
  exchange.delete
  channel.close
end

# Publishes until something fails; the number of messages that are confirmed.
def publish_rest(url, number)
  connection = connect(url, automatically_recover: false)
  channel = connection.create_channel
  channel.confirm_select
  queue = channel.queue("#{RUN}.crash", durable: true)
  while number < RESTART_MESSAGES
    queue.publish('kept', persistent: true, message_id: number.to_s)
    break unless Timeout.timeout(ANSWER_S) { channel.wait_for_confirms }

    number += 1
    yield number
  end
  number
rescue StandardError
  # Whatever it was: what is not confirmed is published again.
  number
end

def reconnect(url, restart)
  restarting = nil
  number = 0
  while number < RESTART_MESSAGES
    number = publish_rest(url, number) { |done| restarting ||= Process.spawn(restart) if done >= BEFORE_RESTART }
    sleep 0.02
  end
  same('status of the restart', Process.wait2(restarting).last.exitstatus, 0)
  channel = connect(url).create_channel
  queue = channel.queue("#{RUN}.crash", durable: true)
  found = Set.new
  loop do
    info, properties, = queue.pop
    break unless info

    found << properties.message_id.to_i
  end
  queue.delete
  same('confirmed and lost', (0...RESTART_MESSAGES).to_set - found, Set.new)
end

Timeout.timeout(LIMIT_S) do
  url = ARGV.fetch(0)
  connection = connect(url)
  hello(connection)
  work(connection)
  publish_subscribe(connection)
  route(connection, :direct, 'error', ['error'], %w[info err])
  route(connection, :topic, '*.critical.#', ['kern.critical', 'a.critical.b.c'], ['critical', 'kern.info'])
  rpc(connection)
  confirms(connection)
  connection.close
  restart = ENV.fetch('BROKER_RESTART', nil)
  reconnect(url, restart) if restart
  puts "bunny #{Bunny::VERSION}: #{restart ? 8 : 7} checks passed#{' (reconnect skipped)' unless restart}"
end
