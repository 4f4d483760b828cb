"""Publishes, consumes, gets, rejects and loses messages until it is killed, so that every counter has something to count."""
import sys
import threading
import time

import pika

CLASSIC, QUORUM, DEAD = "monitored.classic", "monitored.quorum", "monitored.dead"


def connect(url):
    return pika.BlockingConnection(pika.URLParameters(url))


def declare(channel):
    channel.queue_declare(DEAD, durable=True)
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}
    channel.queue_declare(CLASSIC, durable=True, arguments=dead)
    channel.queue_declare(QUORUM, durable=True, arguments={**dead, "x-queue-type": "quorum"})


def consume(url):
    channel = connect(url).channel()
    channel.basic_qos(prefetch_count=10)
    for queue in (CLASSIC, QUORUM):
        channel.basic_consume(queue, lambda ch, method, *_: ch.basic_ack(method.delivery_tag))
    channel.start_consuming()


def publish(channel):
    for queue in (CLASSIC, QUORUM):
        channel.basic_publish("", queue, b"x" * 200, pika.BasicProperties(delivery_mode=2))
    channel.basic_publish("", "nowhere", b"lost")
    try:
        channel.basic_publish("", "nowhere", b"returned", mandatory=True)
    except pika.exceptions.UnroutableError:
        pass
    method, _, _ = channel.basic_get(CLASSIC)
    if method:
        channel.basic_reject(method.delivery_tag, requeue=False)
    channel.basic_get(DEAD, auto_ack=True)


def main(url):
    channel = connect(url).channel()
    channel.confirm_delivery()
    declare(channel)
    threading.Thread(target=consume, args=(url,), daemon=True).start()
    publish(channel)
    print("under way", flush=True)
    while True:
        publish(channel)
        time.sleep(0.05)


main(sys.argv[1])
