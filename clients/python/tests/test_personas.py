"""Personas and the linter."""

import pika
import pytest


def test_the_linter_says_what_another_broker_refuses(coney, channel):
    channel.queue_declare("tmp", durable=False)
    (finding,) = coney.lint("rabbitmq-4.3")
    assert finding["rule"] == "transient-queue" and "durable" in finding["fix"]
    assert coney.lint("rabbitmq-3.13") == []


@pytest.mark.coney(persona="rabbitmq-4.3")
def test_a_world_stands_in_for_another_broker(coney, channel):
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as refused:
        channel.queue_declare("tmp", durable=False)
    assert refused.value.reply_code == 541
