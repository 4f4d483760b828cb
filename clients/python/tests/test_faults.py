"""Faults. What each of them does is tested with the broker; here it is that they are asked for as they should be."""

import pika
import pytest

from coney_testing import RequestError, WaitTimeout


def test_a_confirm_gets_lost_and_the_message_is_there(coney, channel):
    channel.queue_declare("orders", durable=True)
    fault = coney.on("confirm").queue("orders").skip(1).reset()
    channel.basic_publish("", "orders", b"1")
    assert fault.fired == 0
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        channel.basic_publish("", "orders", b"2")
    fault.wait_fired()
    assert (fault.fired, fault.seen) == (1, 2)
    assert [message.text for message in coney.messages("orders")] == ["1", "2"]


def test_a_rule_goes_with_its_handle(coney, channel):
    channel.queue_declare("q", durable=True)
    with coney.on("publish").queue("q").times(0).drop() as fault:
        channel.basic_publish("", "q", b"lost")
        assert [rule.id for rule in coney.faults()] == [fault.id]
    channel.basic_publish("", "q", b"kept")
    assert [message.text for message in coney.messages("q")] == ["kept"]
    fault.remove()
    assert coney.faults() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda world: world.on("connect").connection("c").refuse(403, "no"),
        lambda world: world.on("connect").match("user", "u").silence(),
        lambda world: world.on("queue.declare").queue("q").refuse(406),
        lambda world: world.on("publish").exchange("x").routing_key("a.*").duplicate(),
        lambda world: world.on("publish").message_id("m").nack(),
        lambda world: world.on("publish").header("try", "1").return_(),
        lambda world: world.on("confirm").delay(0.5),
        lambda world: world.on("confirm").one_in(10, seed=7).times(0).close(),
        lambda world: world.on("deliver").consumer_tag("c").corrupt(),
        lambda world: world.on("deliver").reorder(3),
        lambda world: world.on("ack").redeliver(),
        lambda world: world.on("time", every_ms=1000).restart(),
        lambda world: world.on("time", every_ms=1000).close_all(),
        lambda world: world.always().block("full"),
        lambda world: world.always().queue("q").pause(),
        lambda world: world.always().slow(1000),
    ],
)
def test_the_broker_takes_each_rule(coney, make):
    fault = make(coney)
    assert [rule.id for rule in coney.faults()] == [fault.id]
    assert fault.fired == 0
    coney.clear_faults()
    assert coney.faults() == []


def test_what_makes_no_sense_is_refused(coney):
    with pytest.raises(RequestError, match="does not fit"):
        coney.on("confirm").redeliver()


def test_a_rule_that_does_not_fire_says_what_it_saw(coney):
    fault = coney.on("ack").queue("q").drop()
    with pytest.raises(WaitTimeout, match=r"fired 0 times; it saw 0 events"):
        fault.wait_fired(within=0.01)


def test_a_restart_keeps_what_is_durable(coney, channel):
    channel.queue_declare("q", durable=True)
    channel.basic_publish("", "q", b"kept", pika.BasicProperties(delivery_mode=2))
    channel.basic_publish("", "q", b"gone")
    coney.restart()
    assert [message.text for message in coney.messages("q")] == ["kept"]
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        channel.basic_publish("", "q", b"")
