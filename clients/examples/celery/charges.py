"""A Celery application: orders are charged, and what fails is tried again after a minute, three times in all.

The waiting is the broker's: a task that fails is rejected, its queue dead-letters it to `charges.retry`, which sends it back after a minute. A worker that
dies meanwhile loses nothing. After the third try a task goes to `charges.failed`, for people.
"""

import json
import os
import urllib.error
import urllib.request

from celery import Celery
from celery.exceptions import Reject
from kombu import Exchange, Queue

TRIES = 3
RETRY_AFTER_MS = 60_000

#: With it the application has the bug that its tests are there to find.
PLANTED = os.environ.get("PLANTED") == "1"

app = Celery("charges", broker=os.environ.get("BROKER_URL"))
app.conf.update(
    task_queues=[
        Queue("charges", durable=True, queue_arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "charges.retry",
        }),
    ],
    task_default_queue="charges",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


def declare(connection):
    """The queues that no worker reads."""
    with connection.channel() as channel:
        back = {"x-message-ttl": RETRY_AFTER_MS, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "charges"}
        for queue in (Queue("charges.retry", Exchange(""), queue_arguments=back), Queue("charges.failed", Exchange(""))):
            queue(channel).queue_declare()


def tries_before(request):
    """How often this task failed before."""
    if PLANTED:
        # Celery counts what it tries again itself. It knows nothing of what the broker brings back.
        return request.retries
    deaths = request.get("x-death") or []
    return sum(death["count"] for death in deaths if death["reason"] == "rejected")


class Declined(Exception):
    """The payment provider says no."""


def ask_provider(order):
    """Charges an order at the payment provider."""
    request = urllib.request.Request(os.environ["PROVIDER_URL"], json.dumps({"order": order}).encode(), method="POST")
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        raise Declined(error.reason) from error


@app.task(bind=True, name="charge")
def charge(self, order):
    try:
        ask_provider(order)
    except Declined as error:
        if tries_before(self.request) + 1 < TRIES:
            raise Reject(error, requeue=False) from error
        with self.app.producer_or_acquire() as producer:
            producer.publish({"order": order, "error": str(error)}, exchange="", routing_key="charges.failed", delivery_mode=2)
