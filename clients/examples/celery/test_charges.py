"""What the application promises: a real worker, a provider that declines, and minutes that take milliseconds."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

pytest_plugins = ["coney_testing"]

HERE = pathlib.Path(__file__).parent


class Provider(http.server.ThreadingHTTPServer):
    """A payment provider that declines the first so many charges."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.declines = 0
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body["order"])
        if len(self.server.asked) <= self.server.declines:
            self.send_error(402, "no funds")
        else:
            self.send_response(204)
            self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def provider():
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def app(coney, provider, monkeypatch):
    """The application in the test's world, with its worker in a process of its own."""
    monkeypatch.setenv("BROKER_URL", coney.uri)
    monkeypatch.setenv("PROVIDER_URL", provider.url)
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.delitem(sys.modules, "charges", raising=False)
    import charges

    with charges.app.connection() as connection:
        charges.declare(connection)
    command = [sys.executable, "-m", "celery", "-A", "charges", "worker", "--pool=threads", "--concurrency=1", "--loglevel=warning"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = subprocess.Popen(command, cwd=HERE, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stdout=subprocess.DEVNULL)
    try:
        coney.wait("charges", consumers=1, within=60)
        yield charges
    finally:
        worker.kill()
        worker.wait()
        charges.app.pool.force_close_all()


def test_an_order_that_is_charged_is_done(coney, app, provider):
    app.charge.delay(7)
    coney.wait("charges", messages=0, acked=1)
    assert provider.asked == [7]


def test_a_declined_order_is_tried_again_after_a_minute(coney, app, provider):
    provider.declines = 1
    app.charge.delay(7)
    coney.wait("charges.retry", ready=1)
    assert coney.clock.advance(59).steps == []
    coney.clock.advance(1)
    coney.wait("charges", messages=0, acked=1)
    assert provider.asked == [7, 7]


def test_after_three_tries_an_order_is_for_people(coney, app, provider):
    provider.declines = 1000
    app.charge.delay(7)
    for _ in range(app.TRIES - 1):
        coney.wait("charges.retry", ready=1)
        coney.clock.advance(60)
    coney.wait("charges.failed", ready=1)
    (failed,) = coney.messages("charges.failed")
    assert json.loads(failed.text) == {"order": 7, "error": "no funds"}
    assert provider.asked == [7, 7, 7]
