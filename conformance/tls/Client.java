import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultSaslConfig;
import com.rabbitmq.client.GetResponse;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Publishes with confirms and consumes over TLS, by password and by certificate: {@code Client PORT CERT-DIR PASSWORD}. */
public final class Client {
  private static final int[] BODY_BYTES = {0, 5, 100_000, 3_000_000};

  private Client() {}

  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[0]);
    for (String protocol : new String[] {"TLSv1.2", "TLSv1.3"}) {
      ConnectionFactory byPassword = factory(port, context(protocol, args[1], null));
      roundTrip(byPassword);
      ConnectionFactory byCertificate = factory(port, context(protocol, args[1], args[2]));
      byCertificate.setSaslConfig(DefaultSaslConfig.EXTERNAL);
      roundTrip(byCertificate);
    }
    System.exit(0);
  }

  private static ConnectionFactory factory(int port, SSLContext context) {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost("localhost");
    factory.setPort(port);
    factory.useSslProtocol(context);
    return factory;
  }

  private static SSLContext context(String protocol, String certs, String password) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    try (InputStream file = new FileInputStream(certs + "/ca.pem")) {
      trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    KeyManager[] keys = null;
    if (password != null) {
      KeyStore own = KeyStore.getInstance("PKCS12");
      try (InputStream file = new FileInputStream(certs + "/ann.p12")) {
        own.load(file, password.toCharArray());
      }
      KeyManagerFactory manager = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      manager.init(own, password.toCharArray());
      keys = manager.getKeyManagers();
    }
    SSLContext context = SSLContext.getInstance(protocol);
    context.init(keys, trust.getTrustManagers(), null);
    return context;
  }

  private static void roundTrip(ConnectionFactory factory) throws Exception {
    try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
      channel.confirmSelect();
      String queue = channel.queueDeclare().getQueue();
      for (int bytes : BODY_BYTES) {
        channel.basicPublish("", queue, null, body(bytes));
      }
      channel.waitForConfirmsOrDie(10_000);
      for (int bytes : BODY_BYTES) {
        GetResponse got = channel.basicGet(queue, true);
        if (got == null || !Arrays.equals(got.getBody(), body(bytes))) {
          throw new AssertionError(bytes + " bytes");
        }
      }
    }
  }

  private static byte[] body(int bytes) {
    byte[] body = new byte[bytes];
    Arrays.fill(body, (byte) 'x');
    return body;
  }
}
