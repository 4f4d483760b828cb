"""move.py HTTP-URL AMQP-URL CONEY-URL: a shovel moves messages from RabbitMQ to Coney, and another one back."""

import pathlib
import sys
import uuid

import pika

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tools"))
from support import api, same, until  # noqa: E402

MESSAGES = 2000


def properties(number):
    return pika.BasicProperties(
        delivery_mode=2, message_id=str(number), content_type="text/plain", headers={"number": number, "where": {"in": ["a", 1]}})


def publish(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        for number in range(MESSAGES):
            channel.basic_publish("", queue, f"body {number}".encode(), properties(number))


def shovel(http, queue, source, destination):
    """Lets the shovel of that RabbitMQ move what is in the queue; it deletes itself when that is done."""
    name = f"move-{uuid.uuid4().hex[:8]}"
    value = {"src-protocol": "amqp091", "src-uri": source, "src-queue": queue, "dest-protocol": "amqp091", "dest-uri": destination,
             "dest-queue": queue, "ack-mode": "on-confirm", "src-delete-after": "queue-length"}
    api(http, "PUT", f"parameters/shovel/%2F/{name}", {"value": value})
    until("shovels that are left", lambda: [one["name"] for one in api(http, "GET", "parameters/shovel/%2F")], [])


def take(url, queue):
    """What is in the queue, which is deleted."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        count = channel.queue_declare(queue, passive=True).method.message_count
        got = [channel.basic_get(queue, auto_ack=True)[1:] for _ in range(count)]
        channel.queue_delete(queue)
    return got


def count(url, queue):
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        return connection.channel().queue_declare(queue, passive=True).method.message_count


def main(http, rabbit, coney):
    queue = f"shovel-{uuid.uuid4().hex[:8]}"
    publish(rabbit, queue)
    shovel(http, queue, rabbit, coney)
    same("messages in RabbitMQ", count(rabbit, queue), 0)
    same("messages in Coney", count(coney, queue), MESSAGES)
    shovel(http, queue, coney, rabbit)
    same("messages that stayed in Coney", count(coney, queue), 0)
    got = take(rabbit, queue)
    same("bodies", [body.decode() for _, body in got], [f"body {number}" for number in range(MESSAGES)])
    for number, (found, _) in enumerate(got):
        expected = properties(number)
        for field in ["delivery_mode", "message_id", "content_type"]:
            same(field, getattr(found, field), getattr(expected, field))
        same("headers", {key: found.headers[key] for key in expected.headers}, expected.headers)
    print(f"shovel: {MESSAGES} messages from RabbitMQ to Coney and back, in their order")


if __name__ == "__main__":
    main(*sys.argv[1:])
