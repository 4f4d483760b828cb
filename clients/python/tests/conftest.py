"""The library's plugin, and a channel of pika in the world of a test."""

import pathlib
import sys

import pika
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

pytest_plugins = ["coney_testing", "pytester"]


@pytest.fixture
def channel(coney):
    """In confirm mode: a publish returns when the broker has the message."""
    connection = pika.BlockingConnection(pika.URLParameters(coney.uri))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    if connection.is_open:
        connection.close()
