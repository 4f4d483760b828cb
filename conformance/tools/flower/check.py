"""Flower's broker tab shows a Celery worker's queues with their counts: `check.py HTTP-URL AMQP-URL`."""

import contextlib
import html.parser
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from importlib.metadata import version

from celery import Celery

from support import own_vhost, same, until

QUEUES = ["celery", "mail"]
app = Celery("check", broker=os.environ.get("CLIENT_URL"))


@app.task
def nothing():
    pass


@contextlib.contextmanager
def celery_command(url, *arguments):
    command = [sys.executable, "-m", "celery", "-A", "check", *arguments]
    environment = {**os.environ, "CLIENT_URL": url, "PYTHONWARNINGS": "ignore"}
    here = os.path.dirname(os.path.abspath(__file__))
    with subprocess.Popen(command, cwd=here, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Rows(html.parser.HTMLParser):
    """The cells of a page's tables, a list a row."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.is_cell = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.is_cell = tag == "td"
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        self.is_cell = False

    def handle_data(self, data):
        if self.is_cell and self.rows:
            self.rows[-1].append(data.strip())


def broker_tab(port):
    """Name, messages, unacked, ready, consumers of each queue."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/broker", timeout=30) as answer:
            return sorted(row[:5] for row in Rows(answer.read().decode()).rows if row and row[0] in QUEUES)
    except (urllib.error.URLError, ConnectionError):
        return "no answer"


def main(base, amqp):
    with own_vhost(base, "flower") as vhost:
        url = f"{amqp}/{vhost}"
        # The worker takes what is due later, too, and keeps it unacknowledged.
        app.conf.broker_url = url
        for _ in range(2):
            app.send_task("check.nothing", queue="mail", countdown=3600)
        port, places = free_port(), urllib.parse.urlsplit(base).netloc
        flower = ["flower", f"--port={port}", "--address=127.0.0.1", f"--broker_api=http://guest:guest@{places}/api/",
                  "--inspect_timeout=5000"]
        worker = ["worker", "--pool=solo", "--queues=celery,mail", f"--hostname={vhost}@localhost"]
        with celery_command(url, *worker), contextlib.ExitStack() as later:
            # Flower asks workers when it starts, and not again by itself.
            until("the worker", lambda: len(app.control.ping(timeout=1)), 1)
            later.enter_context(celery_command(url, *flower))
            until("the worker's queues", lambda: broker_tab(port), [["celery", "0", "0", "0", "1"], ["mail", "2", "2", "0", "1"]])
    print(f"flower {version('flower')}: 1 check passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
