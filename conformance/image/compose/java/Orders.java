import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What a Spring application does with RabbitMQ: topology declared at the start, a listener with manual acks and a prefetch, a retry queue by
 * TTL and dead lettering, a queue for what cannot be done, publisher confirms. `Orders listen` is the application, `Orders check` asks it.
 */
final class Orders {
    private static final int ORDERS = 50;
    private static final int WAIT_MS = 60_000;

    private static Connection connect() throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(System.getenv("SPRING_RABBITMQ_HOST"));
        factory.setUsername(System.getenv("SPRING_RABBITMQ_USERNAME"));
        factory.setPassword(System.getenv("SPRING_RABBITMQ_PASSWORD"));
        return factory.newConnection();
    }

    private static void declare(Channel channel) throws Exception {
        channel.exchangeDeclare("orders", "topic", true);
        channel.exchangeDeclare("orders.dlx", "direct", true);
        channel.queueDeclare("orders", true, false, false, Map.of("x-dead-letter-exchange", "orders.dlx", "x-dead-letter-routing-key", "retry"));
        channel.queueDeclare("orders.retry", true, false, false,
            Map.of("x-message-ttl", 100, "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "orders"));
        channel.queueDeclare("orders.done", true, false, false, Map.of("x-queue-type", "quorum"));
        channel.queueDeclare("orders.failed", true, false, false, null);
        channel.queueBind("orders", "orders", "order.#");
        channel.queueBind("orders.retry", "orders.dlx", "retry");
    }

    /** How often the message was dead-lettered from the queue. */
    private static long deaths(BasicProperties properties) {
        Map<String, Object> headers = properties.getHeaders();
        if (headers == null || !(headers.get("x-death") instanceof java.util.List<?> deaths)) {
            return 0;
        }
        return deaths.stream().map(Map.class::cast).filter(death -> death.get("queue").toString().equals("orders"))
            .mapToLong(death -> (Long) death.get("count")).sum();
    }

    private static void listen() throws Exception {
        Connection connection = connect();
        Channel channel = connection.createChannel();
        declare(channel);
        channel.basicQos(10);
        channel.basicConsume("orders", false, (tag, delivery) -> {
            int order = Integer.parseInt(new String(delivery.getBody(), StandardCharsets.UTF_8));
            long attempt = deaths(delivery.getProperties()) + 1;
            long delivered = delivery.getEnvelope().getDeliveryTag();
            if (order % 10 == 3 && attempt <= 3) {
                if (attempt == 3) {
                    channel.basicPublish("", "orders.failed", MessageProperties.PERSISTENT_BASIC, delivery.getBody());
                    channel.basicAck(delivered, false);
                } else {
                    channel.basicReject(delivered, false);
                }
                return;
            }
            channel.basicPublish("", "orders.done", MessageProperties.PERSISTENT_BASIC, delivery.getBody());
            channel.basicAck(delivered, false);
        }, tag -> { });
        Thread.currentThread().join();
    }

    private static Set<String> take(Channel channel, String queue, int count) throws Exception {
        Set<String> taken = new HashSet<>();
        long end = System.currentTimeMillis() + WAIT_MS;
        while (taken.size() < count) {
            GetResponse got = channel.basicGet(queue, true);
            if (got != null) {
                taken.add(new String(got.getBody(), StandardCharsets.UTF_8));
            } else if (System.currentTimeMillis() > end) {
                throw new AssertionError(queue + " has only " + taken);
            } else {
                Thread.sleep(20);
            }
        }
        return taken;
    }

    private static void check() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            declare(channel);
            channel.confirmSelect();
            for (int order = 0; order < ORDERS; order++) {
                byte[] body = String.valueOf(order).getBytes(StandardCharsets.UTF_8);
                channel.basicPublish("orders", "order.new", true, MessageProperties.PERSISTENT_TEXT_PLAIN, body);
            }
            channel.waitForConfirmsOrDie(WAIT_MS);
            Set<String> failed = take(channel, "orders.failed", ORDERS / 10);
            if (!failed.equals(Set.of("3", "13", "23", "33", "43"))) {
                throw new AssertionError("failed: " + failed);
            }
            take(channel, "orders.done", ORDERS - ORDERS / 10);
        }
        System.out.println("50 orders, 5 of them failed after two retries");
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("listen")) {
            listen();
        } else {
            check();
        }
    }
}
