"""testcontainers for Python, with nothing but the image's name changed."""

import pika
from testcontainers.community.rabbitmq import RabbitMqContainer

with RabbitMqContainer("coney", username="ann", password="secret", vhost="here", port=5699) as container:
    connection = pika.BlockingConnection(container.get_connection_params())
    channel = connection.channel()
    channel.queue_declare("q")
    channel.basic_publish("", "q", b"hello")
    _, _, body = channel.basic_get("q", auto_ack=True)
    assert body == b"hello", body
    connection.close()
print("testcontainers for Python: passed")
