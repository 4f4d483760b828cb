"""Publishers with confirms and consumers that ack, at all nodes' addresses, and what they know."""

import itertools
import random
import threading
import time

import pika

QUEUE = "work"
PERSISTENT = pika.BasicProperties(delivery_mode=2)
# What a connection that is gone, or a node that stands still, may end with.
GONE = (pika.exceptions.AMQPError, pika.adapters.utils.connection_workflow.AMQPConnectorException, OSError)


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.confirmed, self.delivered = set(), set()
        self.acked_at, self.faults, self.confirm_times = {}, [], []
        self.again, self.wrong = 0, []

    def fault(self):
        self.faults.append(time.monotonic())

    def confirm(self, body):
        with self.lock:
            self.confirmed.add(body)
            self.confirm_times.append(time.monotonic())

    def take(self, body):
        now = time.monotonic()
        with self.lock:
            self.delivered.add(body)
            acked = self.acked_at.get(body)
            if acked is None:
                return
            self.again += 1
            # An ack that was sent in the moments before a fault, or while it lasted, may be lost; one that was sent before may not.
            if not any(acked > fault - 1.5 for fault in self.faults if fault <= now):
                self.wrong.append(f"{body} was acked {now - acked:.1f} s before it came again")

    def ack(self, body):
        with self.lock:
            self.acked_at[body] = time.monotonic()

    def gap(self, begin, end):
        """The longest time without a confirm in between."""
        with self.lock:
            times = [begin, *(at for at in self.confirm_times if begin <= at <= end), end]
        return max(later - earlier for earlier, later in zip(times, times[1:]))


class Clients:
    def __init__(self, addresses, publishers=6, consumers=2, arguments=None):
        self.ledger, self.addresses, self.arguments = Ledger(), addresses, arguments
        self.stopping, self.errors = threading.Event(), []
        works = [lambda number=number: self.publish(number) for number in range(publishers)] + [self.consume] * consumers
        self.threads = [threading.Thread(target=self.work, args=(work,), daemon=True) for work in works]

    def start(self):
        for thread in self.threads:
            thread.start()

    def work(self, work):
        try:
            work()
        except Exception as error:
            self.errors.append(repr(error))
            raise

    def connect(self):
        host, port = random.choice(self.addresses)
        return pika.BlockingConnection(pika.ConnectionParameters(
            host, port, heartbeat=4, socket_timeout=6, stack_timeout=8, blocked_connection_timeout=8,
            connection_attempts=1))

    def channel(self):
        channel = self.connect().channel()
        channel.queue_declare(QUEUE, durable=True, arguments=self.arguments)
        return channel

    def publish(self, number):
        serial = itertools.count()
        while not self.stopping.is_set():
            try:
                channel = self.channel()
                channel.confirm_delivery()
                while not self.stopping.is_set():
                    body = f"{number}-{next(serial)}"
                    channel.basic_publish("", QUEUE, body.encode(), PERSISTENT, mandatory=True)
                    self.ledger.confirm(body)
                channel.connection.close()
            except GONE:
                time.sleep(0.1)

    def consume(self, idle=None):
        """Until stopped, or until nothing came for so many seconds."""
        while not self.stopping.is_set() or idle:
            try:
                channel = self.channel()
                channel.basic_qos(prefetch_count=50)
                for method, _, body in channel.consume(QUEUE, inactivity_timeout=idle or 0.5):
                    if method is not None:
                        self.ledger.take(body.decode())
                        channel.basic_ack(method.delivery_tag)
                        self.ledger.ack(body.decode())
                    elif idle:
                        return
                    if self.stopping.is_set() and not idle:
                        break
                # What was delivered and not acked goes back.
                channel.connection.close()
            except GONE:
                time.sleep(0.1)

    def publish_large(self, count=160, size=1 << 20):
        """To a queue of their own; the bodies, which cannot be compressed."""
        bodies = [random.randbytes(size) for _ in range(count)]
        left = list(bodies)
        while left:
            try:
                channel = self.connect().channel()
                channel.queue_declare("large", durable=True)
                channel.confirm_delivery()
                while left:
                    channel.basic_publish("", "large", left[-1], PERSISTENT, mandatory=True)
                    left.pop()
                channel.connection.close()
            except GONE:
                time.sleep(0.1)
        return bodies

    def take_large(self, bodies, seconds=120):
        """All of them."""
        left, end = set(bodies), time.monotonic() + seconds
        while left:
            assert time.monotonic() < end, f"{len(left)} of {len(bodies)} large messages are lost"
            try:
                channel = self.connect().channel()
                channel.basic_qos(prefetch_count=4)
                for method, _, body in channel.consume("large", inactivity_timeout=3):
                    if method is None:
                        break
                    left.discard(body)
                    channel.basic_ack(method.delivery_tag)
                channel.connection.close()
            except GONE:
                time.sleep(0.1)

    def count(self):
        """How many were confirmed."""
        return len(self.ledger.confirmed)

    def assert_running(self):
        assert not self.errors, self.errors

    def finish(self):
        """Publishers end, and what is left is taken out."""
        self.stopping.set()
        end = time.monotonic() + 60
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
            assert not thread.is_alive(), "a client does not end"
        self.assert_running()
        self.consume(idle=5.0)
