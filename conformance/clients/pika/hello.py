"""What a program does with a broker, done with pika and checked: `hello.py [AMQP-URL]`.

Each function named check_* is one feature. It declares what it needs under names of its own, fails with what it got
and what it expected, and leaves nothing behind. The exit status is 1 if any failed.
"""

import datetime
import decimal
import os
import signal
import subprocess
import sys
import time
import traceback
import uuid

import pika
import pika.exceptions
from pika.compat import long

DEADLINE_S = 10
CHECK_LIMIT_S = 30
DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"


class Mismatch(Exception):
    """The broker did something else than expected."""


def same(what, actual, expected):
    if actual != expected:
        raise Mismatch(f"{what}: got {actual!r:.300}, expected {expected!r:.300}")


class Session:
    """A connection with one channel in confirm mode, and the names to delete at the end."""

    def __init__(self, url):
        self.url = url
        self.prefix = f"pika-hello-{uuid.uuid4().hex[:12]}"
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.queues, self.exchanges = [], []

    def name(self, suffix):
        return f"{self.prefix}-{suffix}"

    def queue(self, suffix="q", **options):
        name = self.name(suffix)
        self.channel.queue_declare(name, **options)
        self.queues.append(name)
        return name

    def exchange(self, kind, suffix="x", **options):
        name = self.name(suffix)
        self.channel.exchange_declare(name, kind, **options)
        self.exchanges.append(name)
        return name

    def publish(self, queue, body, **properties):
        self.channel.basic_publish("", queue, body, pika.BasicProperties(**properties))

    def get(self, queue, auto_ack=True):
        """The next message, waiting for it: (method, properties, body)."""
        found = []

        def take():
            message = self.channel.basic_get(queue, auto_ack)
            if message[0] is not None:
                found.append(message)
            return found

        self.wait(f"a message in {queue}", take)
        return found[0]

    def wait(self, what, condition):
        """Handles what arrives until the condition holds."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > end:
                raise Mismatch(f"{what}: did not happen within {DEADLINE_S} s")
            self.connection.process_data_events(time_limit=0.02)

    def ready(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def close(self):
        if self.connection.is_closed:
            self.connection = pika.BlockingConnection(pika.URLParameters(self.url))
        channel = self.connection.channel()
        for queue in self.queues:
            channel.queue_delete(queue)
        for exchange in self.exchanges:
            channel.exchange_delete(exchange)
        self.connection.close()


def check_publish_with_confirm_and_consume_with_ack(session):
    queue = session.queue(durable=True)
    for number in range(100):
        session.publish(queue, str(number).encode(), delivery_mode=2)
    got = []

    def deliver(channel, method, _properties, body):
        got.append((int(body), method.redelivered))
        channel.basic_ack(method.delivery_tag)

    tag = session.channel.basic_consume(queue, deliver)
    session.wait("100 deliveries", lambda: len(got) == 100)
    session.channel.basic_cancel(tag)
    same("messages in order, none redelivered", got, [(number, False) for number in range(100)])
    same("left after the acks", session.channel.queue_delete(queue).method.message_count, 0)


def check_nack_with_requeue_redelivers(session):
    queue = session.queue()
    session.publish(queue, b"again")
    method, _, _ = session.get(queue, auto_ack=False)
    same("redelivered at first", method.redelivered, False)
    session.channel.basic_nack(method.delivery_tag, requeue=True)
    method, _, body = session.get(queue, auto_ack=False)
    same("redelivered after the nack", (method.redelivered, body), (True, b"again"))
    session.channel.basic_ack(method.delivery_tag)
    same("left", session.ready(queue), 0)


def check_reject_dead_letters_with_x_death(session):
    exchange, dead = session.exchange("direct"), session.queue("dead")
    session.channel.queue_bind(dead, exchange, "died")
    arguments = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "died"}
    queue = session.queue(arguments=arguments)
    session.publish(queue, b"bad", headers={"own": 1})
    method, _, _ = session.get(queue, auto_ack=False)
    session.channel.basic_reject(method.delivery_tag, requeue=False)
    method, properties, body = session.get(dead)
    same("dead letter", (method.exchange, method.routing_key, body), (exchange, "died", b"bad"))
    headers = properties.headers
    same("own header", headers["own"], 1)
    same("x-first-death-*", [headers[f"x-first-death-{k}"] for k in ("queue", "reason", "exchange")], [queue, "rejected", ""])
    same("x-death entries", len(headers["x-death"]), 1)
    death = dict(headers["x-death"][0])
    same("x-death time is a timestamp", isinstance(death.pop("time"), datetime.datetime), True)
    expected = {"count": 1, "reason": "rejected", "queue": queue, "exchange": "", "routing-keys": [queue]}
    same("x-death", death, expected)


def check_message_and_queue_ttl_expire_into_the_dead_letter_exchange(session):
    dead = session.queue("dead")
    dlx = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    by_message = session.queue("by-message", arguments=dlx)
    session.publish(by_message, b"message", expiration="50")
    _, properties, body = session.get(dead)
    death = properties.headers["x-death"][0]
    same("message TTL", (body, death["reason"], death["original-expiration"]), (b"message", "expired", "50"))
    same("expiration is removed", properties.expiration, None)
    by_queue = session.queue("by-queue", arguments={**dlx, "x-message-ttl": 50})
    session.publish(by_queue, b"queue")
    _, properties, body = session.get(dead)
    death = properties.headers["x-death"][0]
    same("queue TTL", (body, death["reason"], death["queue"]), (b"queue", "expired", by_queue))


def check_max_length_drops_the_head(session):
    dead = session.queue("dead")
    arguments = {"x-max-length": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = session.queue(arguments=arguments)
    for body in (b"1", b"2", b"3"):
        session.publish(queue, body)
    _, properties, body = session.get(dead)
    same("dropped", (body, properties.headers["x-death"][0]["reason"]), (b"1", "maxlen"))
    same("kept", [session.get(queue)[2] for _ in range(2)], [b"2", b"3"])


def check_topic_routing(session):
    exchange = session.exchange("topic")
    patterns = {"one": "a.*.c", "all": "a.#", "other": "b.#"}
    for suffix, pattern in patterns.items():
        session.channel.queue_bind(session.queue(suffix), exchange, pattern)
    for key in ("a.b.c", "a", "a.b.b.c", "c.a"):
        session.channel.basic_publish(exchange, key, key.encode())
    counts = {suffix: session.ready(session.name(suffix)) for suffix in patterns}
    same("messages routed", counts, {"one": 1, "all": 3, "other": 0})
    session.channel.queue_unbind(session.name("one"), exchange, patterns["one"])
    session.channel.basic_publish(exchange, "a.b.c", b"")
    same("after the unbind", session.ready(session.name("one")), 1)


def check_fanout_and_exchange_to_exchange(session):
    exchange, second = session.exchange("fanout"), session.exchange("fanout", "x2")
    session.channel.exchange_bind(second, exchange)
    for suffix, source in (("a", exchange), ("b", exchange), ("c", second)):
        session.channel.queue_bind(session.queue(suffix), source)
    session.channel.basic_publish(exchange, "any", b"to all")
    same("bodies", [session.get(session.name(suffix))[2] for suffix in "abc"], [b"to all"] * 3)


def check_headers_exchange(session):
    exchange = session.exchange("headers")
    for match in ("all", "any"):
        arguments = {"x-match": match, "colour": "red", "size": 5}
        session.channel.queue_bind(session.queue(match), exchange, arguments=arguments)
    for headers in ({"colour": "red", "size": 5}, {"colour": "red"}, {"colour": "blue"}):
        session.channel.basic_publish(exchange, "", b"", pika.BasicProperties(headers=headers))
    same("matched", {match: session.ready(session.name(match)) for match in ("all", "any")}, {"all": 1, "any": 2})


def check_rpc_over_direct_reply_to(session):
    requests, replies = session.queue("requests"), []
    session.channel.basic_consume(DIRECT_REPLY_TO, lambda _c, _m, p, b: replies.append((p.correlation_id, b)), auto_ack=True)
    session.publish(requests, b"20", reply_to=DIRECT_REPLY_TO, correlation_id="id-1")
    server = session.connection.channel()
    _, properties, body = session.get(requests)
    same("reply-to is rewritten", properties.reply_to.startswith(DIRECT_REPLY_TO + "."), True)
    answer = pika.BasicProperties(correlation_id=properties.correlation_id)
    server.basic_publish("", properties.reply_to, str(int(body) + 1).encode(), answer)
    session.wait("the reply", lambda: replies)
    same("replies", replies, [("id-1", b"21")])


def check_mandatory_is_returned(session):
    try:
        session.channel.basic_publish("", session.name("nowhere"), b"back", mandatory=True)
    except pika.exceptions.UnroutableError as error:
        returned = error.messages[0]
        same("return", (returned.method.reply_code, returned.method.reply_text, returned.body), (312, "NO_ROUTE", b"back"))
        return
    raise Mismatch("an unroutable mandatory message was not returned")


def check_empty_and_large_bodies(session):
    queue = session.queue()
    for body in (b"", bytes(range(256)) * 4096, b"x" * 131_072):
        session.publish(queue, body)
        method, _, got = session.get(queue)
        same("length of the body", len(got), len(body))
        same("body is the same", got == body, True)
        same("left", method.message_count, 0)


def check_headers_and_properties_round_trip(session):
    # Every type that pika can write; it has no floating point numbers.
    queue = session.queue()
    when = datetime.datetime(2024, 2, 29, 12, 30, 1, tzinfo=datetime.timezone.utc)
    headers = {
        "true": True, "false": False, "zero": 0, "negative": -5, "int": 2**31 - 1, "long": long(2**62), "least": long(-(2**63)),
        "decimal": decimal.Decimal("3.14"), "text": "grüße", "empty": "", "bytes": b"\x00\xff",
        "none": None, "time": when, "list": [1, "two", [3, None], {"k": False}],
        "table": {"deep": {"deeper": {"deepest": [1, 2]}}, "empty": {}}, "no items": [],
    }
    sent = pika.BasicProperties(
        content_type="text/plain", content_encoding="utf-8", headers=headers, delivery_mode=2, priority=7,
        correlation_id="c", reply_to="r", expiration="600000", message_id="m", timestamp=1_700_000_000, type="t",
        user_id=pika.URLParameters(session.url).credentials.username, app_id="a", cluster_id="cl",
    )
    session.channel.basic_publish("", queue, b"", sent)
    _, got, _ = session.get(queue)
    for key, value in headers.items():
        same(f"header {key!r}", got.headers.get(key), value)
        same(f"type of header {key!r}", type(got.headers.get(key)), type(value))
    same("properties", vars(got), vars(sent))


def check_prefetch_is_exact(session):
    queue = session.queue()
    for number in range(5):
        session.publish(queue, str(number).encode())
    tags = []
    session.channel.basic_qos(prefetch_count=2)
    session.channel.basic_consume(queue, lambda _c, method, _p, _b: tags.append(method.delivery_tag))
    session.wait("two deliveries", lambda: len(tags) >= 2)
    same("ready while two are unacked", (session.ready(queue), len(tags)), (3, 2))
    session.channel.basic_ack(tags[0])
    session.wait("a third delivery", lambda: len(tags) >= 3)
    same("ready after one ack", (session.ready(queue), len(tags)), (2, 3))
    session.channel.basic_ack(tags[2], multiple=True)
    session.wait("the last two", lambda: len(tags) == 5)
    session.channel.basic_ack(0, multiple=True)


def check_get_purge_and_delete_count(session):
    queue = session.queue()
    same("get from an empty queue", session.channel.basic_get(queue)[0], None)
    for _ in range(4):
        session.publish(queue, b"x")
    method, _, _ = session.get(queue)
    same("left after a get", method.message_count, 3)
    same("purged", session.channel.queue_purge(queue).method.message_count, 3)
    session.publish(queue, b"x")
    same("deleted with", session.channel.queue_delete(queue).method.message_count, 1)


def check_a_channel_error_leaves_the_connection(session):
    missing = session.name("missing")
    code = closed_with(lambda: session.channel.queue_declare(missing, passive=True))
    same("code of a passive declare", code, 404)
    same("connection is open", session.connection.is_open, True)
    session.channel = session.connection.channel()
    queue = session.queue()
    code = closed_with(lambda: session.channel.queue_declare(queue, durable=True))
    same("code of a declare with another argument", code, 406)
    session.channel = session.connection.channel()
    session.publish(queue, b"still here")
    same("a new channel works", session.get(queue)[2], b"still here")


def closed_with(action):
    """The code with which the broker closed the channel."""
    try:
        action()
    except pika.exceptions.ChannelClosedByBroker as error:
        return error.reply_code
    return None


def check_transactions(session):
    queue, channel = session.queue(), session.connection.channel()
    channel.tx_select()
    channel.basic_publish("", queue, b"undone")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"done")
    same("ready before the commit", session.ready(queue), 0)
    channel.tx_commit()
    same("ready after the commit", session.ready(queue), 1)
    method, _, body = channel.basic_get(queue)
    same("committed", body, b"done")
    channel.basic_ack(method.delivery_tag)
    channel.tx_rollback()
    channel.basic_ack(method.delivery_tag)
    channel.tx_commit()
    same("left after the committed ack", session.channel.queue_delete(queue).method.message_count, 0)


def check_an_exclusive_queue_is_its_connections(session):
    queue = session.queue(exclusive=True)
    other = Session(session.url)
    try:
        code = closed_with(lambda: other.channel.queue_declare(queue, passive=True))
        same("code for another connection", code, 405)
        session.connection.close()
        other.channel = other.connection.channel()
        other.wait("the queue goes with its connection", lambda: gone(other, queue))
    finally:
        other.close()


def gone(session, queue):
    session.channel = session.connection.channel()
    return closed_with(lambda: session.channel.queue_declare(queue, passive=True)) == 404


def check_deleting_a_queue_cancels_its_consumer(session):
    queue, cancelled = session.queue(), []
    session.channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = session.channel.basic_consume(queue, lambda *_: None)
    session.connection.channel().queue_delete(queue)
    session.wait("the cancel", lambda: cancelled)
    same("cancelled", cancelled, [tag])


def too_slow(_signal, _frame):
    raise Mismatch(f"no answer within {CHECK_LIMIT_S} s")


def attempt(name, action):
    """Whether the action ended well in time; says why if not."""
    signal.alarm(CHECK_LIMIT_S)
    try:
        action()
        return True
    except Exception as error:  # Whatever it is, the next check has its turn.
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__]
        kind = "" if isinstance(error, Mismatch) else f"{type(error).__name__}: "
        print(f"pika: {name}: {kind}{error} (line {ours[-1].lineno})", file=sys.stderr)
        return False
    finally:
        signal.alarm(0)


def run(name, check, url):
    """Whether the check and its cleaning up succeeded."""
    sessions = []
    if not attempt(f"{name}: connecting", lambda: sessions.append(Session(url))):
        return False
    passed = attempt(name, lambda: check(sessions[0]))
    return attempt(f"{name}: cleaning up", sessions[0].close) and passed


def reconnect(url, restart):
    """Publishes while the broker is killed and started again: what was confirmed has to be there afterwards."""
    queue = f"pika-crash-{uuid.uuid4().hex}"
    total, before_restart, number, restarting = 300, 100, 0, None
    while number < total:
        try:
            channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
            channel.queue_declare(queue, durable=True)
            channel.confirm_delivery()
            while number < total:
                properties = pika.BasicProperties(delivery_mode=2, message_id=str(number))
                channel.basic_publish("", queue, b"kept", properties)
                number += 1
                if number >= before_restart and restarting is None:
                    restarting = subprocess.Popen(restart, shell=True)
        except (pika.exceptions.AMQPError, OSError):
            time.sleep(0.02)  # The broker is away; what is not confirmed is published again.
    same("status of the restart", restarting.wait(), 0)
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    found = set()
    while (message := channel.basic_get(queue, auto_ack=True))[0]:
        found.add(int(message[1].message_id))
    channel.queue_delete(queue)
    same("confirmed and lost", set(range(total)) - found, set())


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "amqp://guest:guest@127.0.0.1:5672"
    checks = [(name[6:], value) for name, value in globals().items() if name.startswith("check_")]
    signal.signal(signal.SIGALRM, too_slow)
    passed = sum(run(name, check, url) for name, check in checks)
    total, restart = len(checks), os.environ.get("BROKER_RESTART")
    if restart:
        passed += attempt("reconnect", lambda: reconnect(url, restart))
        total += 1
    skipped = "" if restart else " (reconnect skipped)"
    print(f"pika {pika.__version__}: {passed} of {total} checks passed{skipped}")
    sys.exit(passed != total)


if __name__ == "__main__":
    main()
