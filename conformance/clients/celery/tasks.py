"""A real Celery worker and what a program asks of it, checked: `tasks.py URL`; and kombu by itself.

The worker is this file again, started by Celery's own command in a process of its own.
"""

import os
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from celery import Celery, group
from kombu import Connection, Exchange, Queue

ANSWER_S = 30
WAIT_S = 6

app = Celery("tasks", broker=os.environ.get("CLIENT_URL"), backend="rpc://")
app.conf.update(
    task_default_queue=os.environ.get("CLIENT_QUEUE", "celery"),
    task_acks_late=True,
    worker_prefetch_multiplier=2,
    result_expires=60,
    broker_connection_retry_on_startup=True,
)


@app.task
def double(number):
    return 2 * number


@app.task(bind=True, max_retries=3, default_retry_delay=0.1)
def fails_twice(self):
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: got {found!r}, expected {expected!r}")


def start_worker():
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=2", "--pool=threads",
               "--loglevel=warning", "--hostname", f"{os.environ['CLIENT_QUEUE']}@localhost"]
    # Its banner and its warning about root are of no interest; what matters is checked.
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "PYTHONWARNINGS": "ignore"}}
    return subprocess.Popen(command, cwd=os.path.dirname(os.path.abspath(__file__)), **quiet)


def wait_for_worker(worker):
    end = time.monotonic() + ANSWER_S
    while not app.control.ping(timeout=0.5, destination=[f"{os.environ['CLIENT_QUEUE']}@localhost"]):
        same("the worker's status", worker.poll(), None)
        if time.monotonic() > end:
            raise AssertionError("the worker does not answer a ping")


def check_results():
    results = group(double.s(number) for number in range(30)).apply_async()
    same("results", results.get(timeout=ANSWER_S), [2 * number for number in range(30)])


def check_eta():
    eta = datetime.now(timezone.utc) + timedelta(seconds=1)
    result = double.apply_async((21,), eta=eta)
    same("result", result.get(timeout=ANSWER_S), 42)
    if datetime.now(timezone.utc) < eta:
        raise AssertionError("the task ran before its time")


def check_behind_eta():
    """Tasks that wait for their time do not hold others up: the worker raises the prefetch of its channel for them, which kombu
    does only with a broker that says it is older than 4.0."""
    waiting = [double.apply_async((number,), countdown=WAIT_S) for number in range(10)]
    start = time.monotonic()
    same("result", double.delay(21).get(timeout=ANSWER_S), 42)
    took = time.monotonic() - start
    if took > WAIT_S / 2:
        raise AssertionError(f"a task behind others that wait took {took:.1f} s")
    same("results", [result.get(timeout=ANSWER_S) for result in waiting], [2 * number for number in range(10)])


def check_retry():
    same("retries", fails_twice.delay().get(timeout=ANSWER_S), 2)


def check_inspect():
    stats = app.control.inspect(timeout=5).stats() or {}
    same("workers", list(stats), [f"{os.environ['CLIENT_QUEUE']}@localhost"])


def check_kombu(url):
    name = os.environ["CLIENT_QUEUE"] + ".kombu"
    exchange = Exchange(name, type="topic", durable=False, auto_delete=True)
    queue = Queue(name, exchange, routing_key="a.#", durable=False, exclusive=True)
    with Connection(url) as connection:
        with connection.Producer(serializer="json") as producer, connection.channel() as channel:
            bound = queue(channel)
            bound.declare()
            for key in ["a.b", "b", "a"]:
                producer.publish({"key": key}, exchange=exchange, routing_key=key, declare=[exchange])
            got = []
            with connection.Consumer(queue, callbacks=[lambda body, message: (got.append(body), message.ack())],
                                     channel=channel):
                while len(got) < 2:
                    connection.drain_events(timeout=ANSWER_S)
            same("messages", got, [{"key": "a.b"}, {"key": "a"}])


def main(url):
    os.environ["CLIENT_URL"] = app.conf.broker_url = url
    os.environ["CLIENT_QUEUE"] = app.conf.task_default_queue = f"celery-{uuid.uuid4().hex[:8]}"
    check_kombu(url)
    worker = start_worker()
    try:
        wait_for_worker(worker)
        checks = [check_results, check_eta, check_behind_eta, check_retry, check_inspect]
        for check in checks:
            check()
    finally:
        worker.terminate()
        worker.wait(timeout=ANSWER_S)
        with Connection(url) as connection:
            connection.default_channel.queue_delete(os.environ["CLIENT_QUEUE"])
    print(f"celery {version('celery')} with kombu {version('kombu')}: {len(checks) + 2} checks passed")


if __name__ == "__main__":
    main(sys.argv[1])
