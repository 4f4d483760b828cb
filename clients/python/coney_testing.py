"""Tests that control a Coney broker: worlds, their clocks, faults, exact waiting. One file, the standard library alone, Python 3.9 or later.

    from coney_testing import Coney

    with Coney.start() as coney, coney.world() as world:
        run_my_program(world.uri)               # any AMQP client
        world.wait(queue="orders", delayed=1)   # exact, or an error that says what is in the way
        world.clock.advance(60)                 # a minute, in a millisecond
        world.idle()

It is a plugin for pytest as well: with `pytest_plugins = ["coney_testing"]` in conftest.py a test that takes `coney` gets a fresh world with a
virtual clock. docs/testing.md is the guide.

A broker that is attached to has to run with `--test`. Everything here blocks: in asyncio programs use `await asyncio.to_thread(world.idle)`.
"""

from __future__ import annotations

import atexit
import base64
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, Union, overload
from urllib.parse import quote, unquote, urlencode, urlsplit

__all__ = [
    "Clock", "Coney", "ConeyError", "Counts", "Fault", "FaultBuilder", "Message", "MessageHistory", "Moved", "RequestError",
    "StartError", "Step", "WaitTimeout", "World",
]

Json = Dict[str, Any]
#: Counts of a queue or a world by name: ready, unacked, delayed, parked, messages, consumers, dead, published, confirmed, returned,
#: delivered, acked, redelivered.
Counts = Dict[str, int]
#: A number that has to be met: `3`, `">=3"` or `"<=3"`.
Condition = Union[int, str]
#: Seconds, or a timedelta.
Span = Union[int, float, timedelta]

_REQUEST_S = 30.0
#: Moving a clock over a million timers takes its time.
_MOVE_S = 300.0
_JOURNAL_TAIL = 50
_PAGE = 1000


class ConeyError(Exception):
    """Something that the broker, or this library, could not do."""


class StartError(ConeyError):
    """The broker did not start; the text has the end of its log."""


class RequestError(ConeyError):
    """The broker refused a request."""

    def __init__(self, status: int, reason: str, request: str) -> None:
        super().__init__(f"{request}: {status}: {reason}")
        self.status = status
        self.reason = reason


class WaitTimeout(ConeyError, AssertionError):
    """What was waited for did not come. The text says what is in the way: who has which messages, and for how long."""

    def __init__(self, wanted: str, why: Sequence[str], counts: Json) -> None:
        super().__init__("\n".join([f"waited for {wanted}, but:", *why]))
        #: What is in the way, a line each.
        self.why = list(why)
        #: The counts as they were when the time was over.
        self.counts = counts


class Coney:
    """A broker that was started with `--test`. Use `start` or `attach`."""

    def __init__(self, url: str, amqp: Optional[str] = None, process: Optional[_Process] = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConeyError(f"expected a URL such as http://guest:guest@localhost:15672, got {url!r}")
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (15671 if self._is_tls else 15672)
        self._user = unquote(parts.username or "guest")
        self._password = unquote(parts.password or "guest")
        self._amqp = amqp
        self._process = process

    @classmethod
    def start(cls, binary: Optional[str] = None, args: Sequence[str] = (), within: float = 30.0) -> Coney:
        """Starts a broker in memory on free ports of this machine, which ends with `close`, or with this program.

        `binary` is by default what CONEY_BINARY says, or `coney` on the PATH. `args` are more flags of `coney`; with `--data-dir` it is on disk.
        `within` is in seconds.
        """
        process = _Process(binary or os.environ.get("CONEY_BINARY") or "coney", args, within)
        try:
            return cls(f"http://guest:guest@{process.http}", f"amqp://{process.amqp}", process)
        except BaseException:
            process.stop()
            raise

    @classmethod
    def attach(cls, url: str = "http://guest:guest@localhost:15672", amqp: Optional[str] = None) -> Coney:
        """Uses a broker that runs. `url` is where its management API is, with a user who is an administrator.

        `amqp` is where clients find it, such as `amqp://guest:guest@localhost:5673`, if that is not the host of `url` with the broker's own
        port: with ports of a container that are mapped to others.
        """
        coney = cls(url, amqp)
        coney.worlds()
        return coney

    def world(
        self,
        name: Optional[str] = None,
        *,
        clock: str = "virtual",
        start: Optional[datetime] = None,
        persona: Optional[str] = None,
        snapshot: Optional[str] = None,
        ttl_s: Optional[int] = None,
        journal: bool = True,
    ) -> World:
        """Makes a world: a virtual host of its own, deleted at the end of a `with`.

        `clock` is `"virtual"`, which stands still until it is moved, or `"real"`. `start` is what a virtual one shows at first. `persona` is the broker that
        it stands in for, such as `"rabbitmq-4.3"`. With a `snapshot` (`World.snapshot`) it begins with what that has. It goes by itself if nobody uses
        it for `ttl_s` seconds (60; 0: never). `journal=False` keeps failures alone in its journal.
        """
        if name is None:
            # Not with ~: a client that connects again when the world is gone would make it anew.
            name = f"test-{uuid.uuid4().hex[:12]}"
        options: Json = {"clock": clock}
        if start is not None:
            options["start"] = _time_text(start)
        if persona is not None:
            options["persona"] = persona
        if snapshot is not None:
            options["snapshot"] = snapshot
        if ttl_s is not None:
            options["ttl_s"] = str(ttl_s)
        if not journal:
            options["journal"] = "false"
        made = self._request("PUT", f"worlds/{_part(name)}", body=options)
        return World(self, name, self._uri(str(made["uri"])))

    def worlds(self) -> List[Json]:
        """All worlds that the broker has, as it shows them."""
        try:
            found: List[Json] = self._request("GET", "worlds")
        except RequestError as error:
            if error.status == 404:
                raise ConeyError("this broker is no Coney that was started with --test (CONEY_TEST=1)") from error
            raise
        return found

    def close(self) -> None:
        """Stops the broker if it was started here."""
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Coney:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def _uri(self, shown: str) -> str:
        """Where a client of ours finds a world; the broker shows where it listens, which may be another address."""
        listener = urlsplit(shown)
        user, password = quote(self._user, safe=""), quote(self._password, safe="")
        if self._amqp is None:
            host = f"[{self._host}]" if ":" in self._host else self._host
            return f"amqp://{user}:{password}@{host}:{listener.port}{listener.path}"
        at = urlsplit(self._amqp)
        place = at.netloc if "@" in at.netloc else f"{user}:{password}@{at.netloc}"
        return f"{at.scheme}://{place}{listener.path}"

    def _request(
        self,
        method: str,
        path: str,
        query: Sequence[Tuple[str, str]] = (),
        body: Optional[Json] = None,
        timeout: float = _REQUEST_S,
    ) -> Any:
        status, answer = self._ask(method, path, query, body, timeout)
        if status < 300:
            return answer
        said = answer if isinstance(answer, dict) else {}
        if status == 408 and "why" in said:
            raise WaitTimeout(", ".join(f"{key}={value}" for key, value in query), said["why"], said["counts"])
        raise RequestError(status, str(said.get("reason") or said.get("error") or answer), f"{method} {path}")

    def _ask(
        self, method: str, path: str, query: Sequence[Tuple[str, str]], body: Optional[Json], timeout: float
    ) -> Tuple[int, Any]:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout)
        token = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        headers = {"authorization": f"Basic {token}", "content-type": "application/json"}
        target = f"/api/coney/{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise ConeyError(f"{method} {target} of {self._host}:{self._port}: {error}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text) if text else None
        except ValueError:
            return answer.status, text.decode(errors="replace")


class World:
    """A virtual host that a test controls. `Coney.world` makes one."""

    def __init__(self, coney: Coney, name: str, uri: str) -> None:
        self._coney = coney
        #: The virtual host.
        self.name = name
        #: Where AMQP clients find it.
        self.uri = uri
        #: Its clock.
        self.clock = Clock(self)

    def on(self, event: str, every_ms: Optional[int] = None) -> FaultBuilder:
        """Begins a rule for a fault: `world.on("confirm").queue("orders").skip(3).reset()`. It hits the first event if nothing else is said.

        Events are `connect`, `open`, `publish`, `confirm`, `deliver`, `ack`, a method such as `queue.declare` or `declare`, and `time`, with
        `every_ms` of the world's clock.
        """
        return FaultBuilder(self, {"on": event, **({} if every_ms is None else {"every_ms": every_ms})})

    def always(self) -> FaultBuilder:
        """Begins a rule for what is so until it is removed: `block`, `pause`, `slow`, `silence`."""
        return FaultBuilder(self, {})

    def faults(self) -> List[Fault]:
        """All rules of the world, in the order in which they were made."""
        return [Fault(self, shown) for shown in self._request("GET", "/faults")]

    def clear_faults(self) -> None:
        """Removes all rules."""
        self._request("DELETE", "/faults")

    def snapshot(self, name: str) -> None:
        """Keeps queues, exchanges, bindings and all messages, as they are now, under this name for `Coney.world(snapshot=name)`."""
        self._request("POST", f"/snapshots/{_part(name)}")

    def restart(self) -> None:
        """What a SIGKILL and a start of the broker would do, to this world alone."""
        self._request("POST", "/restart")

    @overload
    def wait(self, queue: Optional[str] = None, *, within: Span = 5, quiet: Span = 0, idle: bool = False, **counts: Condition) -> Counts: ...

    @overload
    def wait(
        self, queue: List[str], *, within: Span = 5, quiet: Span = 0, idle: bool = False, **counts: Condition
    ) -> Dict[str, Counts]: ...

    def wait(
        self,
        queue: Union[None, str, List[str]] = None,
        *,
        within: Span = 5,
        quiet: Span = 0,
        idle: bool = False,
        **counts: Condition,
    ) -> Union[Counts, Dict[str, Counts]]:
        """Waits until counts are as asked, and returns them: `world.wait("orders", ready=0, acked=">=3")`.

        Of a queue, of each of several, or of the whole world. `idle`: nothing is ready, unacked or on its way between queues. `quiet`: it stays so for that
        long with nothing happening. `within` and `quiet` are in seconds of real time, at most 300. Raises `WaitTimeout`.
        """
        queues = [queue] if isinstance(queue, str) else queue or []
        query = [("queue", name) for name in queues] + [(name, str(value)) for name, value in counts.items()]
        if idle:
            query.append(("idle", "1"))
        if quiet:
            query.append(("quiet_ms", str(_ms(quiet))))
        query.append(("within_ms", str(_ms(within))))
        found: Json = self._request("GET", "/wait", query, timeout=_REQUEST_S + _ms(within) / 1000)
        return found[queue] if isinstance(queue, str) else found

    def idle(self, queue: Optional[str] = None, *, within: Span = 5, quiet: Span = 0) -> Counts:
        """Waits until nothing is ready, unacked or on its way between queues. Raises `WaitTimeout`."""
        return self.wait(queue, within=within, quiet=quiet, idle=True)

    def counts(self, queue: Optional[str] = None) -> Counts:
        """Exact numbers of a queue, or of the whole world, as they are now."""
        found: Json = self._request("GET", "/counts", [] if queue is None else [("queue", queue)])
        return found if queue is None else found[queue]

    def messages(self, queue: str, state: str = "ready", limit: int = 100) -> List[Message]:
        """Messages of a queue that are `ready`, `unacked`, `delayed` or `parked`, as they are. Looking changes nothing."""
        query = [("state", state), ("limit", str(limit)), ("read", "true")]
        path = f"queues/{_part(self.name)}/{_part(queue)}/messages"
        return [Message._of(shown) for shown in self._coney._request("GET", path, query)]

    def journal(self, after: int = 0, **wanted: str) -> List[Json]:
        """What happened, oldest first. `wanted` narrows it: `what`, `queue`, `message_id`, `consumer`, `contains`, ...

        Each event is as in docs/journal.md; `["sentence"]` is for people, `["number"]` is for `after`.
        """
        events: List[Json] = []
        while True:
            query = [("after", str(after)), ("limit", str(_PAGE)), *wanted.items()]
            page = self._coney._request("GET", f"journal/{_part(self.name)}", query)
            events += page["events"]
            if len(page["events"]) < _PAGE:
                return events
            after = int(page["cursor"])

    def journal_tail(self, lines: int = _JOURNAL_TAIL) -> str:
        """The last things that happened, a line each."""
        query = [("newest", "true"), ("limit", str(lines))]
        page = self._coney._request("GET", f"journal/{_part(self.name)}", query)
        return "\n".join(_event_line(event) for event in page["events"])

    def history(
        self,
        *,
        message_id: Optional[str] = None,
        queue: Optional[str] = None,
        position: Optional[int] = None,
        contains: Optional[str] = None,
    ) -> List[MessageHistory]:
        """The way of messages, with their copies in other queues: by the message's id, its place, or what its body contains."""
        asked = {"message_id": message_id, "queue": queue, "position": position, "contains": contains}
        query = [(key, str(value)) for key, value in asked.items() if value is not None]
        found = self._coney._request("GET", f"history/{_part(self.name)}", query)
        return [MessageHistory._of(shown) for shown in found["messages"]]

    def lint(self, target: Optional[str] = None) -> List[Json]:
        """What clients did here that another broker (`"rabbitmq-4.3"`) refuses or does otherwise, with what to do instead. Empty: portable."""
        findings: List[Json] = self._request("GET", "/lint", [] if target is None else [("target", target)])
        return findings

    def delete(self) -> None:
        """Deletes the world with all that is in it; its connections are closed. Nothing happens if it is gone."""
        try:
            self._request("DELETE", "")
        except RequestError as error:
            if error.status != 404:
                raise

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.delete()

    def __repr__(self) -> str:
        return f"World({self.name!r})"

    def _request(
        self,
        method: str,
        path: str,
        query: Sequence[Tuple[str, str]] = (),
        body: Optional[Json] = None,
        timeout: float = _REQUEST_S,
    ) -> Any:
        return self._coney._request(method, f"worlds/{_part(self.name)}{path}", query, body, timeout)


@dataclass(frozen=True)
class Step:
    """What happened by itself while a clock was moved."""

    #: When, by that clock.
    at: datetime
    #: In which queue.
    queue: str
    #: What: `expired`, `released`, `timed-out`, `due`, `queue-expired`, ...
    what: str
    #: How many messages it happened to.
    messages: int


@dataclass(frozen=True)
class Moved:
    """What a clock shows after it was moved, and what happened on the way."""

    now: datetime
    steps: List[Step]


class Clock:
    """The clock of a world. A virtual one stands still until it is moved, and goes forward alone.

    It goes from timer to timer, and each move returns when the broker has done all that follows. What consumers then do takes real time: wait for that.
    Heartbeats and the timers of client libraries do not follow it.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now(self) -> datetime:
        """What it shows."""
        return _time(self._world._request("GET", "/clock")["now"])

    @property
    def next(self) -> Optional[Tuple[datetime, str]]:
        """When something happens next by itself, and in which queue."""
        coming = self._world._request("GET", "/clock")["next"]
        return None if coming is None else (_time(coming["at"]), str(coming["queue"]))

    def advance(self, seconds: Span, max_steps: Optional[int] = None) -> Moved:
        """Moves it by seconds, or a timedelta."""
        return self._move({"advance_ms": _ms(seconds)}, max_steps)

    def to(self, then: datetime, max_steps: Optional[int] = None) -> Moved:
        """Moves it to that time."""
        return self._move({"to": _time_text(then)}, max_steps)

    def to_next(self) -> Moved:
        """Moves it to when something happens next by itself."""
        return self._move({"to_next": True}, None)

    def until_idle(self, max_steps: Optional[int] = None) -> Moved:
        """Moves it until nothing is to come by itself."""
        return self._move({"until_idle": True}, max_steps)

    def _move(self, how: Json, max_steps: Optional[int]) -> Moved:
        if max_steps is not None:
            how["max_steps"] = max_steps
        moved = self._world._request("POST", "/clock", body=how, timeout=_MOVE_S)
        steps = [Step(_time(step["at"]), step["queue"], step["what"], step["messages"]) for step in moved["steps"]]
        return Moved(_time(moved["now"]), steps)


class FaultBuilder:
    """A rule that is being made. An action (`reset`, `drop`, ...) ends it, and puts it in force."""

    def __init__(self, world: World, rule: Json) -> None:
        self._world = world
        self._rule = rule

    def queue(self, pattern: str) -> FaultBuilder:
        """Only for queues like this: `*` is any run of characters, `?` any one."""
        return self.match("queue", pattern)

    def exchange(self, pattern: str) -> FaultBuilder:
        """Only for exchanges like this."""
        return self.match("exchange", pattern)

    def routing_key(self, pattern: str) -> FaultBuilder:
        """Only for routing keys like this."""
        return self.match("routing_key", pattern)

    def connection(self, pattern: str) -> FaultBuilder:
        """Only for connections that their clients named like this, or with such an address."""
        return self.match("connection", pattern)

    def consumer_tag(self, pattern: str) -> FaultBuilder:
        """Only for consumers with a tag like this."""
        return self.match("consumer_tag", pattern)

    def message_id(self, pattern: str) -> FaultBuilder:
        """Only for messages with an id like this."""
        return self.match("message_id", pattern)

    def header(self, name: str, pattern: str) -> FaultBuilder:
        """Only for messages with such a header."""
        return self.match(f"header.{name}", pattern)

    def match(self, field_name: str, pattern: str) -> FaultBuilder:
        """Only for what is like this there. Other fields are `user`, `channel`, `app_id`."""
        return self._with(match={**self._rule.get("match", {}), field_name: pattern})

    def skip(self, events: int) -> FaultBuilder:
        """Lets so many pass first."""
        return self._with(skip=events)

    def times(self, events: int) -> FaultBuilder:
        """Hits so many; 0: all, until it is removed."""
        return self._with(times=events)

    def one_in(self, events: int, seed: int = 0) -> FaultBuilder:
        """Hits one in so many, by chance that begins with this seed."""
        return self._with(one_in=events, seed=seed)

    def drop(self) -> Fault:
        """Lets it not happen, and tells nobody."""
        return self.act("drop")

    def reset(self) -> Fault:
        """Resets the connection's socket."""
        return self.act("reset")

    def close(self, code: int = 320, text: str = "CONNECTION_FORCED - by a fault rule") -> Fault:
        """Closes the connection."""
        return self.act("close", code=code, text=text)

    def close_all(self) -> Fault:
        """Closes all connections of the world."""
        return self.act("close-all")

    def refuse(self, code: int, text: str = "refused by a fault rule") -> Fault:
        """The error with this code: of a channel or a connection, as the code says."""
        return self.act("refuse", code=code, text=text)

    def silence(self) -> Fault:
        """Keeps the socket open, and reads and writes nothing: the half-dead peer."""
        return self.act("silence")

    def delay(self, seconds: Span) -> Fault:
        """Lets it happen later."""
        return self.act("delay", delay_ms=_ms(seconds))

    def nack(self) -> Fault:
        """Tells the publisher that its message was refused."""
        return self.act("nack")

    def return_(self) -> Fault:
        """Gives a publish back as unroutable."""
        return self.act("return")

    def duplicate(self) -> Fault:
        """Lets it happen twice."""
        return self.act("duplicate")

    def corrupt(self) -> Fault:
        """Changes the first byte of a delivery's body."""
        return self.act("corrupt")

    def reorder(self, count: int = 2) -> Fault:
        """Delivers it after the next `count - 1` of its consumer."""
        return self.act("reorder", count=count)

    def redeliver(self) -> Fault:
        """Delivers an acked message again, as a crash right after the ack would."""
        return self.act("redeliver")

    def block(self, reason: str = "blocked by a fault rule") -> Fault:
        """Blocks publishers, for this reason."""
        return self.act("block", reason=reason)

    def pause(self) -> Fault:
        """Lets queues deliver nothing."""
        return self.act("pause")

    def slow(self, bytes_per_s: int) -> Fault:
        """Reads and writes no more than so many bytes a second."""
        return self.act("slow", bytes_per_s=bytes_per_s)

    def restart(self) -> Fault:
        """Restarts the world, as `World.restart`."""
        return self.act("restart")

    def act(self, action: str, **more: Any) -> Fault:
        """Puts the rule in force with this action, by the name that the HTTP API has for it."""
        rule = {**self._rule, "do": action, **more}
        return Fault(self._world, self._world._request("POST", "/faults", body=rule))

    def _with(self, **more: Any) -> FaultBuilder:
        return FaultBuilder(self._world, {**self._rule, **more})


class Fault:
    """A rule that is in force, until it is removed, a `with` ends, or the world goes."""

    def __init__(self, world: World, shown: Json) -> None:
        self._world = world
        self.id = str(shown["id"])
        #: What it is, in a few words.
        self.text = str(shown.get("text", shown["id"]))

    @property
    def fired(self) -> int:
        """How many events it has hit."""
        return int(self._shown()["fired"])

    @property
    def seen(self) -> int:
        """How many events it has looked at that are like it says."""
        return int(self._shown()["seen"])

    def wait_fired(self, times: int = 1, within: Span = 5) -> None:
        """Waits until it has hit so many events. Raises `WaitTimeout`. `within` is in seconds."""
        query = [("fired", str(times)), ("within_ms", str(_ms(within)))]
        path = f"/faults/{self.id}"
        shown: Json = self._world._request("GET", path, query, timeout=_REQUEST_S + _ms(within) / 1000)
        if shown["fired"] < times:
            why = f"rule {self.id} ({self.text}) fired {shown['fired']} times; it saw {shown['seen']} events"
            raise WaitTimeout(f"fired>={times}", [why], {})

    def remove(self) -> None:
        """Removes it. Nothing happens if it is gone."""
        try:
            self._world._request("DELETE", f"/faults/{self.id}")
        except RequestError as error:
            if error.status != 404:
                raise

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"Fault({self.id}: {self.text})"

    def _shown(self) -> Json:
        shown: Json = self._world._request("GET", f"/faults/{self.id}")
        return shown


@dataclass(frozen=True)
class Message:
    """A message as it is in a queue."""

    #: Its position, which is its name in the queue.
    id: int
    #: `ready`, `unacked`, `delayed` or `parked`.
    state: str
    body: bytes
    exchange: str
    routing_key: str
    #: As RabbitMQ's HTTP API shows them; headers are in `["headers"]`.
    properties: Json
    redelivered: bool
    #: When it is ready again.
    due: Optional[datetime]
    #: Who has it: connection_name, channel, consumer_tag, since.
    holder: Optional[Json]
    #: How often it was tried: deliveries, counted, last_error, ...
    attempts: Optional[Json]
    #: All that the broker says.
    raw: Json = field(repr=False)

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    @property
    def headers(self) -> Json:
        """Its headers."""
        headers: Json = self.properties.get("headers") or {}
        return headers

    @staticmethod
    def _of(raw: Json) -> Message:
        payload = raw.get("payload", "")
        is_base64 = raw.get("payload_encoding") == "base64"
        due = raw.get("due_at")
        return Message(
            id=raw["id"],
            state=raw["state"],
            body=base64.b64decode(payload) if is_base64 else payload.encode(),
            exchange=raw.get("exchange", ""),
            routing_key=raw.get("routing_key", ""),
            properties=raw.get("properties", {}),
            redelivered=raw["redelivered"],
            due=None if due is None else _time(due),
            holder=raw.get("holder"),
            attempts=raw.get("attempts"),
            raw=raw,
        )


@dataclass(frozen=True)
class MessageHistory:
    """The way of a message through one queue. As text: a sentence a step."""

    queue: Optional[str]
    position: Optional[int]
    #: `ready`, `unacked`, ..., `gone`.
    state: str
    #: Where it is now, as a sentence.
    now: str
    #: Each with `at` (ms since 1970), `what` and `sentence`.
    steps: List[Json]

    def __str__(self) -> str:
        head = "unrouted" if self.queue is None else f"{self.queue} #{self.position}"
        return "\n".join([head, *(f"  {step['sentence']}" for step in self.steps), f"  now: {self.now}"])

    @staticmethod
    def _of(raw: Json) -> MessageHistory:
        return MessageHistory(raw["queue"], raw["position"], raw["state"], raw["now"], raw["steps"])


class _Process:
    """The broker as a process of ours."""

    def __init__(self, binary: str, args: Sequence[str], within: float) -> None:
        path = shutil.which(binary)
        if path is None:
            raise StartError(f"there is no program '{binary}': say it with CONEY_BINARY, or put `coney` on the PATH")
        command = [path, "--test", "--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "none"]
        if not any(arg.split("=")[0] == "--data-dir" for arg in args):
            command.append("--ephemeral")
        # Settings of whoever runs the tests are not for this broker.
        strange = ("CONEY_", "RABBITMQ_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            [*command, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, env=environment
        )
        atexit.register(self.stop)
        line = self._start_line(within)
        self.amqp = _address(line, "amqp://")
        self.http = _address(line, "http://")

    def _start_line(self, within: float) -> str:
        out = self._child.stdout
        assert out is not None
        timer = threading.Timer(within, self._child.kill)
        timer.daemon = True
        timer.start()
        try:
            for line in out:
                text = line.decode(errors="replace")
                if text.startswith("Coney ") and "startup complete" in text:
                    threading.Thread(target=out.read, daemon=True).start()
                    return text
        finally:
            timer.cancel()
        self.stop()
        self._log.seek(0)
        log = self._log.read()[-4000:].decode(errors="replace")
        raise StartError(f"Coney did not start within {within} s:\n{log}")

    def stop(self) -> None:
        atexit.unregister(self.stop)
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()


def _address(line: str, scheme: str) -> str:
    """The first HOST:PORT of that scheme in the line that the broker says when it has started."""
    rest = line.partition(scheme)[2]
    address = rest.replace(",", " ").replace(";", " ").split()[0].rstrip(":") if rest else ""
    if not address:
        raise StartError(f"no {scheme} address in: {line}")
    return address


def _part(name: str) -> str:
    return quote(name, safe="")


def _ms(span: Span) -> int:
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    return round(seconds * 1000)


def _time(text: str) -> datetime:
    # Python 3.9 reads no Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _time_text(when: datetime) -> str:
    if when.tzinfo is None:
        raise ConeyError(f"{when!r} has no time zone: say datetime(.., tzinfo=timezone.utc)")
    return when.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event_line(event: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(event["at"] / 1000, timezone.utc).strftime("%H:%M:%S.%f")[:-3]
    place = event["queue"] or ""
    if event["position"] is not None:
        place += f" #{event['position']}"
    return f"{at}  {place + ': ' if place else ''}{event['sentence']}"


try:
    import pytest
except ImportError:
    # What follows is for pytest alone.
    pass
else:

    @pytest.fixture(scope="session", name="coney_broker")
    def _coney_broker() -> Iterator[Coney]:
        """The broker of the whole run: that at CONEY_URL (and CONEY_AMQP_URL), or one that is started."""
        url = os.environ.get("CONEY_URL")
        coney = Coney.attach(url, os.environ.get("CONEY_AMQP_URL")) if url else Coney.start()
        with coney:
            yield coney

    @pytest.fixture(name="coney")
    def _coney(coney_broker: Coney, request: pytest.FixtureRequest) -> Iterator[World]:
        """A world of the test's own, with a virtual clock. `@pytest.mark.coney(clock="real", persona="rabbitmq-4.3")` makes another."""
        mark = request.node.get_closest_marker("coney")
        options: Json = dict(mark.kwargs) if mark else {}
        with coney_broker.world(**options) as world:
            yield world

    def pytest_configure(config: pytest.Config) -> None:
        """Makes the mark known."""
        config.addinivalue_line("markers", "coney(**options): what the test's world is made with, as for Coney.world")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
        """Shows what happened last in the world of a test that failed."""
        outcome: Any = yield
        report = outcome.get_result()
        world = getattr(item, "funcargs", {}).get("coney")
        if report.failed and report.when == "call" and isinstance(world, World):
            try:
                tail = world.journal_tail()
            except ConeyError as error:
                tail = f"it cannot be read: {error}"
            report.sections.append((f"journal of world {world.name}", tail or "nothing happened"))
