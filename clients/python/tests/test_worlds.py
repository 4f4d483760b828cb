"""Worlds, their clocks, waiting, looking."""

import pathlib
import threading
from datetime import datetime, timedelta, timezone

import coney_testing
import pika
import pytest

from coney_testing import Coney, ConeyError, RequestError, StartError, WaitTimeout

PERSISTENT = pika.BasicProperties(delivery_mode=2, message_id="m-1", headers={"try": 1})


def delay(channel, name, seconds, to):
    """A queue whose messages go to another after some time."""
    arguments = {"x-message-ttl": seconds * 1000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": to}
    channel.queue_declare(name, durable=True, arguments=arguments)


def test_a_clock_goes_from_timer_to_timer(coney, channel):
    channel.queue_declare("end", durable=True)
    delay(channel, "second", 20, "end")
    delay(channel, "first", 10, "second")
    channel.basic_publish("", "first", b"x")
    begin = coney.clock.now
    assert coney.clock.next == (begin + timedelta(seconds=10), "first")
    moved = coney.clock.advance(timedelta(minutes=1))
    told = [(step.at - begin, step.queue, step.what, step.messages) for step in moved.steps]
    assert told == [(timedelta(seconds=10), "first", "expired", 1), (timedelta(seconds=30), "second", "expired", 1)]
    assert moved.now == coney.clock.now == begin + timedelta(minutes=1)
    assert coney.wait("end", ready=1, dead=">=1")["messages"] == 1


def test_a_clock_starts_where_it_is_told_and_moves_to_a_time(coney_broker):
    start = datetime(2030, 1, 1, tzinfo=timezone.utc)
    with coney_broker.world(start=start) as world:
        assert world.clock.now == start
        assert world.clock.to(start + timedelta(days=1)).now == start + timedelta(days=1)
        assert world.clock.next is None
        with pytest.raises(RequestError, match="past"):
            world.clock.to(start)
        with pytest.raises(ConeyError, match="time zone"):
            world.clock.to(datetime(2031, 1, 1))


def test_to_next_and_until_idle(coney, channel):
    delay(channel, "a", 5, "b")
    delay(channel, "b", 5, "c")
    channel.queue_declare("c")
    channel.basic_publish("", "a", b"x")
    assert [step.queue for step in coney.clock.to_next().steps] == ["a"]
    assert [step.queue for step in coney.clock.until_idle().steps] == ["b"]


def test_a_wait_that_fails_says_what_is_in_the_way(coney, channel):
    channel.queue_declare("orders", durable=True)
    channel.basic_publish("", "orders", b"x", PERSISTENT)
    channel.basic_get("orders")
    with pytest.raises(WaitTimeout) as failed:
        coney.idle(within=0.05)
    assert "queue 'orders': 1 unacked" in str(failed.value)
    assert failed.value.counts["unacked"] == 1
    assert len(failed.value.why) == 1
    with pytest.raises(AssertionError, match="ready=3"):
        coney.wait("orders", ready=3, within=timedelta(milliseconds=20))
    with pytest.raises(RequestError, match="there is no 'redy'"):
        coney.wait("orders", redy=3)


def test_a_wait_is_over_when_it_is_so(coney, channel):
    channel.queue_declare("a")
    channel.queue_declare("b")
    waits = threading.Thread(target=lambda: coney.wait("a", ready=">=2", within=30))
    waits.start()
    channel.basic_publish("", "a", b"1")
    assert waits.is_alive()
    channel.basic_publish("", "a", b"2")
    waits.join(20)
    assert not waits.is_alive()
    both = coney.wait(["a", "b"], ready="<=2", quiet=0.01)
    assert (both["a"]["ready"], both["b"]["ready"]) == (2, 0)
    assert coney.counts()["ready"] == coney.counts("a")["ready"] == 2


def test_messages_are_looked_at_without_being_touched(coney, channel):
    channel.queue_declare("q", durable=True)
    channel.basic_publish("", "q", b"text", PERSISTENT)
    channel.basic_publish("", "q", b"\xff\x00")
    one, two = coney.messages("q")
    assert (one.text, one.headers, one.properties["message_id"], one.state) == ("text", {"try": 1}, "m-1", "ready")
    assert (two.body, two.routing_key, two.redelivered, two.due) == (b"\xff\x00", "q", False, None)
    channel.basic_get("q")
    (held,) = coney.messages("q", "unacked")
    assert held.id == one.id and held.holder is not None and held.holder["channel"] == 1


def test_the_journal_and_the_way_of_a_message(coney, channel):
    delay(channel, "q", 1, "dead")
    channel.queue_declare("dead", durable=True)
    channel.basic_publish("", "q", b"body", PERSISTENT)
    coney.clock.advance(1)
    died = coney.journal(what="dead-lettered")
    assert [event["queue"] for event in died] == ["q"]
    assert coney.journal(after=died[0]["number"], what="dead-lettered") == []
    tail = coney.journal_tail()
    assert "confirmed" in tail and "'dead'" in tail
    ways = coney.history(message_id="m-1")
    assert {way.queue for way in ways} == {"q", "dead"}
    assert "came in from 'q'" in "\n".join(map(str, ways))


def test_worlds_do_not_touch_each_other_and_go(coney_broker, coney, channel):
    with coney_broker.world() as other:
        before = other.clock.now
        coney.clock.advance(3600)
        assert other.clock.now == before
        assert {coney.name, other.name} <= {world["name"] for world in coney_broker.worlds()}
    assert other.name not in {world["name"] for world in coney_broker.worlds()}
    other.delete()
    with pytest.raises(RequestError, match="404"):
        other.counts()
    with coney_broker.world(clock="real", journal=False, ttl_s=5) as real:
        with pytest.raises(RequestError, match="clock"):
            real.clock.advance(1)
        assert real.journal() == []


def test_a_world_begins_with_what_another_had(coney_broker, coney, channel):
    channel.queue_declare("q", durable=True, arguments={"x-message-ttl": 60_000})
    channel.basic_publish("", "q", b"x", PERSISTENT)
    coney.clock.advance(50)
    name = f"{coney.name} filled"
    coney.snapshot(name)
    for _ in range(2):
        with coney_broker.world(snapshot=name) as copy:
            assert (copy.clock.now, [message.text for message in copy.messages("q")]) == (coney.clock.now, ["x"])
            assert [step.what for step in copy.clock.advance(10).steps] == ["expired"]
    assert coney.counts("q")["ready"] == 1


@pytest.mark.coney(clock="real")
def test_a_mark_says_what_the_world_is_made_with(coney, coney_broker):
    (shown,) = [world for world in coney_broker.worlds() if world["name"] == coney.name]
    assert shown["clock"] == "real"


def test_a_broker_is_attached_to(coney_broker, coney):
    url = f"http://guest:guest@{coney_broker._host}:{coney_broker._port}"
    attached = Coney.attach(url)
    with attached.world() as world:
        with pika.BlockingConnection(pika.URLParameters(world.uri)) as connection:
            connection.channel().queue_declare("q")
        assert world.wait("q", ready=0)["consumers"] == 0
    mapped = Coney.attach(url, amqp="amqp://broker:5")
    with mapped.world(name="a b/c") as world:
        assert world.uri == "amqp://guest:guest@broker:5/a%20b%2Fc"
    attached.close()
    assert coney.counts()["ready"] == 0


def test_what_cannot_be_reached_or_started_says_why(coney_broker, tmp_path):
    with pytest.raises(ConeyError, match="expected a URL"):
        Coney.attach("localhost")
    with pytest.raises(StartError, match="no program"):
        Coney.start(binary=str(tmp_path / "coney"))
    with pytest.raises(StartError, match="--no-such-flag"):
        Coney.start(args=["--no-such-flag"])
    with Coney.start() as short:
        url = f"http://{short._host}:{short._port}"
    with pytest.raises(ConeyError, match="refused"):
        Coney.attach(url)


def test_a_failed_test_shows_the_journal(pytester, coney_broker, monkeypatch):
    monkeypatch.setenv("CONEY_URL", f"http://guest:guest@{coney_broker._host}:{coney_broker._port}")
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(coney_testing.__file__).parent))
    pytester.makeconftest('pytest_plugins = ["coney_testing"]')
    pytester.makepyfile(
        """
        import pika

        def test_it(coney):
            with pika.BlockingConnection(pika.URLParameters(coney.uri)) as connection:
                connection.channel().basic_publish("", "nowhere", b"x", mandatory=True)
                assert coney.wait(published=1)["ready"] == 1

        def test_good(coney):
            assert coney.counts()["ready"] == 0
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*journal of world test-*", "*published to *nowhere*"])
