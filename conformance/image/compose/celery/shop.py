"""The shop's tasks."""

import os

from celery import Celery

app = Celery("shop", broker=os.environ["BROKER"], backend="rpc://")
app.conf.update(task_acks_late=True, broker_connection_retry_on_startup=True)


@app.task(bind=True, max_retries=3, default_retry_delay=0.1)
def charge(self, cents):
    if self.request.retries == 0:
        raise self.retry()
    return f"charged {cents}"
