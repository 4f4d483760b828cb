"""Makes the same things in a broker that is new: `with prepared(port, management_port):` keeps its clients connected."""

import contextlib
import json
import urllib.parse
import urllib.request

import pika

QUEUES = [
    ("full", {}), ("holding", {"x-max-length": 10}), ("used", {"x-message-ttl": 600000}),
    ("replicated", {"x-queue-type": "quorum"}),
]


def ask(management_port, method, path, body=None):
    """Asks the management API as guest."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{management_port}/api/{path}", method=method,
        data=None if body is None else json.dumps(body).encode(), headers={"content-type": "application/json"})
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, request.full_url, "guest", "guest")
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    with opener.open(request) as answer:
        return answer.read()


@contextlib.contextmanager
def prepared(port, management_port):
    """A vhost `made` with queues, messages, bindings, and a client that consumes."""
    ask(management_port, "PUT", "vhosts/made", {})
    ask(management_port, "PUT", "permissions/made/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    login = pika.PlainCredentials("guest", "guest")
    parameters = pika.ConnectionParameters(
        "127.0.0.1", port, "made", login, heartbeat=0, client_properties={"connection_name": "prepared"})
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("e", "topic", durable=True, arguments={"alternate-exchange": "amq.fanout"})
    for name, arguments in QUEUES:
        channel.queue_declare(name, durable=True, arguments=arguments)
        channel.queue_bind(name, "e", f"{name}.#")
    channel.queue_bind("full", "amq.headers", "", arguments={"x-match": "all", "a": 1})
    persistent = pika.BasicProperties(delivery_mode=2)
    for name, messages in [("full", 3), ("holding", 2), ("used", 1), ("replicated", 2)]:
        for number in range(messages):
            channel.basic_publish("", name, f"message {number}".encode(), persistent)
    channel.basic_qos(prefetch_count=5)
    channel.basic_consume("used", lambda *_: None, consumer_tag="a-consumer")
    connection.process_data_events(time_limit=0.5)
    try:
        yield
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()
