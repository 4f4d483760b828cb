"""What RabbitMQ's tutorials do, done with aio-pika and checked: `tutorials.py URL`.

With BROKER_RESTART (a command that kills the broker and starts it again) a robust connection also has to get over a crash
in the middle of publishing: every message that was confirmed has to be there afterwards.
"""

import asyncio
import logging
import os
import sys
import uuid
from importlib.metadata import version

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message

LIMIT_S = 60
ANSWER_S = 10
RESTART_MESSAGES = 300
BEFORE_RESTART = 100


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: got {found!r}, expected {expected!r}")


async def take(queue):
    """The next message of a queue, acked."""
    message = await queue.get(timeout=ANSWER_S)
    await message.ack()
    return message


async def hello(connection, name):
    async with connection.channel() as channel:
        queue = await channel.declare_queue(name("hello"), exclusive=True)
        await channel.default_exchange.publish(Message(b"Hello World!", content_type="text/plain"), queue.name)
        message = await take(queue)
        same("message", (message.body, message.content_type), (b"Hello World!", "text/plain"))


async def work(connection, name):
    """What a worker had when its channel closed comes back to another."""
    async with connection.channel() as channel:
        queue = await channel.declare_queue(name("work"), exclusive=True)
        for task in range(10):
            await channel.default_exchange.publish(Message(str(task).encode()), queue.name)
        leaver = await connection.channel()
        await leaver.set_qos(prefetch_count=1)
        held = asyncio.Queue()
        await (await leaver.get_queue(queue.name, ensure=False)).consume(held.put)
        first = await asyncio.wait_for(held.get(), ANSWER_S)
        same("first task", (first.body, first.redelivered), (b"0", False))
        await leaver.close()
        async with connection.channel() as other:
            await other.set_qos(prefetch_count=1)
            worker = await other.get_queue(queue.name, ensure=False)
            for task in range(10):
                message = await take(worker)
                same("task", (message.body, message.redelivered), (str(task).encode(), task == 0))


async def publish_subscribe(connection, name):
    async with connection.channel() as channel:
        logs = await channel.declare_exchange(name("logs"), ExchangeType.FANOUT, auto_delete=True)
        subscribers = [await channel.declare_queue(exclusive=True) for _ in range(2)]
        for queue in subscribers:
            await queue.bind(logs)
        await logs.publish(Message(b"to all"), "")
        for queue in subscribers:
            same("message", (await take(queue)).body, b"to all")


async def route(connection, name, kind, key, through, others):
    async with connection.channel() as channel:
        exchange = await channel.declare_exchange(name(kind.value), kind, auto_delete=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, key)
        for routing_key in others + through:
            # What leads nowhere comes back and is no error here.
            await exchange.publish(Message(routing_key.encode()), routing_key, mandatory=False)
        for routing_key in through:
            same("message", (await take(queue)).body, routing_key.encode())
        same("more", await queue.get(fail=False, timeout=ANSWER_S), None)


async def routing(connection, name):
    await route(connection, name, ExchangeType.DIRECT, "error", ["error"], ["info", "err"])


async def topics(connection, name):
    through = ["kern.critical", "a.critical.b.c"]
    await route(connection, name, ExchangeType.TOPIC, "*.critical.#", through, ["critical", "kern.info"])


async def rpc(connection, name):
    async with connection.channel() as channel:
        requests = await channel.declare_queue(name("rpc"), exclusive=True)
        replies = await channel.declare_queue(exclusive=True)

        async def serve(message):
            async with message.process():
                body = str(2 * int(message.body)).encode()
                reply = Message(body, correlation_id=message.correlation_id)
                await channel.default_exchange.publish(reply, message.reply_to)

        await requests.consume(serve)
        for number in range(1, 6):
            request = Message(str(number).encode(), correlation_id=str(number), reply_to=replies.name)
            await channel.default_exchange.publish(request, requests.name)
            answer = await wait_for_message(replies)
            same("answer", (answer.body, answer.correlation_id), (str(2 * number).encode(), str(number)))


async def wait_for_message(queue):
    """The next message of a queue that is yet to come."""
    async with queue.iterator(timeout=ANSWER_S) as messages:
        async for message in messages:
            await message.ack()
            return message


async def confirms(connection, name):
    async with connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
        queue = await channel.declare_queue(name("durable"), durable=True)
        kept = Message(b"kept", delivery_mode=DeliveryMode.PERSISTENT)
        publishes = (channel.default_exchange.publish(kept, queue.name) for _ in range(200))
        await asyncio.gather(*publishes)
        passive = await channel.declare_queue(queue.name, passive=True)
        same("messages", passive.declaration_result.message_count, 200)
        await queue.delete(if_empty=False)
        try:
            await channel.default_exchange.publish(Message(b"back"), name("nowhere"), mandatory=True)
        except aio_pika.exceptions.PublishError:
            return
        raise AssertionError("a mandatory message without a route was not returned")


async def reconnect(url, name, restart):
    # Each failed attempt is logged, and failing for a while is what this is about.
    logging.disable(logging.CRITICAL)
    connection = await aio_pika.connect_robust(url, reconnect_interval=0.05)
    channel = await connection.channel(publisher_confirms=True)
    queue = await channel.declare_queue(name("crash"), durable=True)
    confirmed = set()
    restarting = None
    number = 0
    while number < RESTART_MESSAGES:
        message = Message(b"kept", delivery_mode=DeliveryMode.PERSISTENT, message_id=str(number))
        try:
            await asyncio.wait_for(channel.default_exchange.publish(message, queue.name), ANSWER_S)
        except Exception:  # Whatever it was, the message is not confirmed: again.
            await asyncio.sleep(0.02)
            continue
        confirmed.add(number)
        number += 1
        if number == BEFORE_RESTART:
            restarting = await asyncio.create_subprocess_shell(restart)
    same("status of the restart", await restarting.wait(), 0)
    await connection.close()
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue(name("crash"))
        found = set()
        while message := await queue.get(fail=False, no_ack=True):
            found.add(int(message.message_id))
        await queue.delete(if_empty=False)
        same("confirmed and lost", confirmed - found, set())


async def main(url):
    run = f"aio-pika-{uuid.uuid4().hex[:8]}"

    def name(what):
        return f"{run}.{what}"

    checks = [hello, work, publish_subscribe, routing, topics, rpc, confirms]
    connection = await aio_pika.connect(url)
    async with connection:
        for check in checks:
            await check(connection, name)
    restart = os.environ.get("BROKER_RESTART")
    if restart:
        await reconnect(url, name, restart)
    passed, skipped = (len(checks) + 1, "") if restart else (len(checks), " (reconnect skipped)")
    print(f"aio-pika {version('aio-pika')}: {passed} checks passed{skipped}")


asyncio.run(asyncio.wait_for(main(sys.argv[1]), LIMIT_S))
