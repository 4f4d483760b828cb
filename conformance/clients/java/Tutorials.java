import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * What RabbitMQ's tutorials do, done with the Java client and checked: {@code Tutorials URL}.
 *
 * <p>With BROKER_RESTART (a command that kills the broker and starts it again) the client's automatic recovery also has to
 * get over a crash in the middle of publishing: every message that was confirmed has to be there afterwards.
 */
public final class Tutorials {
  private static final long ANSWER_S = 10;
  private static final int RESTART_MESSAGES = 300;
  private static final int BEFORE_RESTART = 100;

  private final String run = "java-" + UUID.randomUUID().toString().substring(0, 8);
  private final Connection connection;

  private Tutorials(Connection connection) {
    this.connection = connection;
  }

  public static void main(String[] args) throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setUri(args[0]);
    factory.setNetworkRecoveryInterval(50);
    String restart = System.getenv("BROKER_RESTART");
    int passed = 7;
    try (Connection connection = factory.newConnection()) {
      Tutorials tutorials = new Tutorials(connection);
      tutorials.hello();
      tutorials.work();
      tutorials.publishSubscribe();
      tutorials.route(BuiltinExchangeType.DIRECT, "error", List.of("error"), List.of("info", "err"));
      tutorials.route(BuiltinExchangeType.TOPIC, "*.critical.#",
          List.of("kern.critical", "a.critical.b.c"), List.of("critical", "kern.info"));
      tutorials.rpc();
      tutorials.confirms();
      if (restart != null) {
        tutorials.reconnect(factory, restart);
        passed++;
      }
    }
    String version = ConnectionFactory.class.getPackage().getImplementationVersion();
    System.out.printf("java %s: %d checks passed%s%n", version == null ? "client" : version, passed,
        restart == null ? " (reconnect skipped)" : "");
    System.exit(0);
  }

  private static void same(String what, Object found, Object expected) {
    if (!Objects.equals(found, expected)) {
      throw new AssertionError(what + ": got " + found + ", expected " + expected);
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String text(Delivery delivery) {
    return new String(delivery.getBody(), StandardCharsets.UTF_8);
  }

  private static BlockingQueue<Delivery> consume(Channel channel, String queue) throws Exception {
    BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
    channel.basicConsume(queue, false, (tag, delivery) -> deliveries.add(delivery), tag -> { });
    return deliveries;
  }

  /** The next delivery, acked. */
  private static Delivery next(Channel channel, BlockingQueue<Delivery> deliveries) throws Exception {
    Delivery delivery = deliveries.poll(ANSWER_S, TimeUnit.SECONDS);
    if (delivery == null) {
      throw new AssertionError("no delivery");
    }
    channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
    return delivery;
  }

  private void hello() throws Exception {
    try (Channel channel = connection.createChannel()) {
      String queue = channel.queueDeclare(run, false, true, false, null).getQueue();
      channel.basicPublish("", queue, MessageProperties.TEXT_PLAIN, bytes("Hello World!"));
      Delivery delivery = next(channel, consume(channel, queue));
      same("message", text(delivery), "Hello World!");
      same("content type", delivery.getProperties().getContentType(), "text/plain");
    }
  }

  /** What a worker had when its channel closed comes back to another. */
  private void work() throws Exception {
    try (Channel channel = connection.createChannel(); Channel second = connection.createChannel()) {
      String queue = channel.queueDeclare(run + ".work", false, true, false, null).getQueue();
      for (int task = 0; task < 10; task++) {
        channel.basicPublish("", queue, null, bytes(Integer.toString(task)));
      }
      Channel first = connection.createChannel();
      first.basicQos(1);
      Delivery held = consume(first, queue).poll(ANSWER_S, TimeUnit.SECONDS);
      same("first task", text(held), "0");
      first.close();
      second.basicQos(1);
      BlockingQueue<Delivery> deliveries = consume(second, queue);
      for (int task = 0; task < 10; task++) {
        Delivery delivery = next(second, deliveries);
        same("task", text(delivery), Integer.toString(task));
        same("redelivered", delivery.getEnvelope().isRedeliver(), task == 0);
      }
    }
  }

  private void publishSubscribe() throws Exception {
    try (Channel channel = connection.createChannel()) {
      String exchange = run + ".logs";
      channel.exchangeDeclare(exchange, BuiltinExchangeType.FANOUT, false, true, null);
      List<BlockingQueue<Delivery>> subscribers = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        String queue = channel.queueDeclare().getQueue();
        channel.queueBind(queue, exchange, "");
        subscribers.add(consume(channel, queue));
      }
      channel.basicPublish(exchange, "", null, bytes("to all"));
      for (BlockingQueue<Delivery> subscriber : subscribers) {
        same("message", text(next(channel, subscriber)), "to all");
      }
    }
  }

  private void route(BuiltinExchangeType type, String key, List<String> through, List<String> others)
      throws Exception {
    try (Channel channel = connection.createChannel()) {
      String exchange = run + "." + type;
      channel.exchangeDeclare(exchange, type, false, true, null);
      String queue = channel.queueDeclare().getQueue();
      channel.queueBind(queue, exchange, key);
      List<String> all = new ArrayList<>(others);
      all.addAll(through);
      for (String routingKey : all) {
        channel.basicPublish(exchange, routingKey, null, bytes(routingKey));
      }
      BlockingQueue<Delivery> deliveries = consume(channel, queue);
      for (String routingKey : through) {
        same("message", text(next(channel, deliveries)), routingKey);
      }
    }
  }

  private void rpc() throws Exception {
    try (Channel server = connection.createChannel(); Channel client = connection.createChannel()) {
      String requests = server.queueDeclare(run + ".rpc", false, true, false, null).getQueue();
      BlockingQueue<Delivery> served = consume(server, requests);
      BlockingQueue<Delivery> direct = new LinkedBlockingQueue<>();
      client.basicConsume("amq.rabbitmq.reply-to", true, (tag, delivery) -> direct.add(delivery), tag -> { });
      String replies = client.queueDeclare().getQueue();
      BlockingQueue<Delivery> answers = consume(client, replies);
      for (int number = 1; number <= 10; number++) {
        boolean isDirect = number > 5;
        String id = Integer.toString(number);
        BasicProperties asking = new BasicProperties.Builder().correlationId(id)
            .replyTo(isDirect ? "amq.rabbitmq.reply-to" : replies).build();
        client.basicPublish("", requests, asking, bytes(id));
        Delivery request = next(server, served);
        BasicProperties answering = new BasicProperties.Builder()
            .correlationId(request.getProperties().getCorrelationId()).build();
        String doubled = Integer.toString(2 * Integer.parseInt(text(request)));
        server.basicPublish("", request.getProperties().getReplyTo(), answering, bytes(doubled));
        Delivery answer = isDirect ? direct.poll(ANSWER_S, TimeUnit.SECONDS) : next(client, answers);
        same("answer", text(answer), Integer.toString(2 * number));
        same("correlation id", answer.getProperties().getCorrelationId(), id);
      }
    }
  }

  private void confirms() throws Exception {
    try (Channel channel = connection.createChannel()) {
      String queue = channel.queueDeclare(run + ".durable", true, false, false, null).getQueue();
      channel.confirmSelect();
      for (int i = 0; i < 200; i++) {
        channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, bytes("kept"));
      }
      channel.waitForConfirmsOrDie(ANSWER_S * 1000);
      BlockingQueue<Integer> returned = new LinkedBlockingQueue<>();
      channel.addReturnListener(message -> returned.add(message.getReplyCode()));
      channel.basicPublish("", run + ".nowhere", true, null, bytes("back"));
      same("return", returned.poll(ANSWER_S, TimeUnit.SECONDS), 312);
      same("messages", channel.queueDelete(queue).getMessageCount(), 200);
    }
  }

  private void reconnect(ConnectionFactory factory, String restart) throws Exception {
    String queue = run + ".crash";
    Set<Integer> confirmed = new HashSet<>();
    Process restarting = null;
    Channel channel = null;
    for (int number = 0; number < RESTART_MESSAGES;) {
      BasicProperties properties =
          new BasicProperties.Builder().deliveryMode(2).messageId(Integer.toString(number)).build();
      try {
        if (channel == null) {
          channel = connection.createChannel();
          channel.queueDeclare(queue, true, false, false, null);
          channel.confirmSelect();
        }
        channel.basicPublish("", queue, properties, bytes("kept"));
        channel.waitForConfirmsOrDie(ANSWER_S * 1000);
      } catch (Exception | Error unconfirmed) {
        // The connection recovers by itself; the message is not confirmed: again, on a new channel.
        channel = null;
        Thread.sleep(20);
        continue;
      }
      confirmed.add(number++);
      if (number == BEFORE_RESTART) {
        restarting = new ProcessBuilder("sh", "-c", restart).inheritIO().start();
      }
    }
    same("status of the restart", restarting.waitFor(), 0);
    try (Connection fresh = factory.newConnection(); Channel reader = fresh.createChannel()) {
      Set<Integer> found = new HashSet<>();
      for (GetResponse got = reader.basicGet(queue, true); got != null; got = reader.basicGet(queue, true)) {
        found.add(Integer.parseInt(got.getProps().getMessageId()));
      }
      reader.queueDelete(queue);
      confirmed.removeAll(found);
      same("confirmed and lost", confirmed, Set.of());
    }
  }
}
