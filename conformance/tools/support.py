"""What the tools' checks share: comparing, waiting for statistics, running a command, a virtual host of their own."""

import base64
import contextlib
import json
import subprocess
import time
import urllib.parse
import urllib.request
import uuid

STATISTICS_S = 30  # RabbitMQ shows what happened some seconds later
COMMAND_S = 60


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: got {found!r}, expected {expected!r}")


def until(what, look, expected):
    """Looks until what is expected is there."""
    end = time.monotonic() + STATISTICS_S
    while (found := look()) != expected:
        if time.monotonic() > end:
            same(what, found, expected)
        time.sleep(0.1)


def run(command, status=0):
    """What it prints; fails if it ends with another status."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_S)
    output = done.stdout + done.stderr
    if done.returncode != status:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}, expected {status}: {output.strip()}")
    return output


def api(base, method, path, body=None):
    """Asks the management API as guest; its answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/api/{path}", data=data, method=method)
    request.add_header("authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=COMMAND_S) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextlib.contextmanager
def own_vhost(base, tool):
    """A virtual host that is gone at the end."""
    name = f"tools-{tool}-{uuid.uuid4().hex[:8]}"
    api(base, "PUT", f"vhosts/{name}", {})
    try:
        yield name
    finally:
        api(base, "DELETE", f"vhosts/{name}")


def host_and_port(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port
