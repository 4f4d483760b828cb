"""A broker for the session, a clean client for each test: what pytest-rabbitmq's users write."""

import os

import pytest
from pytest_rabbitmq import factories

broker = factories.rabbitmq_proc(ctl=f"{os.environ['NAMES']}/rabbitmqctl", server=f"{os.environ['NAMES']}/rabbitmq-server")
client = factories.rabbitmq("broker")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_queue(client, turn):
    channel = client.channel()
    channel.queue_declare("tasks")
    assert channel.basic_get("tasks") == (None, None, None)
    channel.basic_publish("", "tasks", b"left behind")
