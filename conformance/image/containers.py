"""Containers of the image, and clients of what runs in them."""

import contextlib
import json
import subprocess
import time

import pika

IMAGE = "coney"
START_S = 30
COMMAND_S = 60


def docker(*arguments, status=0, text=None):
    """What docker prints, both streams; fails if it ends with another status."""
    done = subprocess.run(["docker", *arguments], input=text, capture_output=True, text=True, timeout=COMMAND_S)
    output = (done.stdout + done.stderr).strip()
    if done.returncode != status:
        raise AssertionError(f"docker {' '.join(arguments)}: status {done.returncode}, expected {status}: {output}")
    return output


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: got {found!r}, expected {expected!r}")


def has(what, text, expected):
    if expected not in text:
        raise AssertionError(f"{what}: {expected!r} is not in {text!r}")


def until(what, look):
    """Looks until it is true, and returns it."""
    end = time.monotonic() + START_S
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {START_S} s")
        time.sleep(0.02)
    return found


class Container:
    """A container that runs."""

    def __init__(self, ident):
        self.ident = ident

    def inspect(self):
        return json.loads(docker("inspect", self.ident))[0]

    def address(self):
        return self.inspect()["NetworkSettings"]["IPAddress"]

    def log(self):
        return docker("logs", self.ident)

    def run(self, *command, **options):
        return docker("exec", self.ident, *command, **options)

    def wait_for(self, text):
        def look():
            log = self.log()
            if not self.inspect()["State"]["Running"]:
                raise AssertionError(f"the container ended: {log}")
            return text in log

        until(text, look)
        return self

    def started(self):
        """Waits as testcontainers does."""
        return self.wait_for("Server startup complete")

    def connect(self, user="guest", password="guest", vhost="/", port=5672):
        credentials = pika.PlainCredentials(user, password)
        return pika.BlockingConnection(
            pika.ConnectionParameters(self.address(), port, vhost, credentials, blocked_connection_timeout=10))


@contextlib.contextmanager
def container(*options, command=(), image=IMAGE):
    """`docker run` with these options; gone at the end, with its anonymous volumes."""
    one = Container(docker("run", "--detach", *options, image, *command).splitlines()[-1])
    try:
        yield one
    except BaseException:
        print(one.log()[-4000:])
        raise
    finally:
        docker("rm", "-f", "-v", one.ident)


@contextlib.contextmanager
def volume():
    name = docker("volume", "create")
    try:
        yield name
    finally:
        docker("volume", "rm", "-f", name)


def publish_and_get(connection, queue, body):
    """A confirmed persistent message, through the broker and back."""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True)
    channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))
    method, _, got = channel.basic_get(queue)
    same("body", got, body)
    channel.basic_ack(method.delivery_tag)
