"""Publishes with confirms and consumes over TLS with pika, by password and by certificate: `client.py PORT CERT-DIR`."""

import ssl
import sys

import pika

PORT, CERTS = int(sys.argv[1]), sys.argv[2]
BODIES = [b"", b"small", b"x" * 100_000, b"y" * 3_000_000]


def connect(own, credentials):
    context = ssl.create_default_context(cafile=f"{CERTS}/ca.pem")
    if own:
        context.load_cert_chain(f"{CERTS}/ann.pem", f"{CERTS}/ann-key.pem")
    options = pika.SSLOptions(context, "localhost")
    return pika.BlockingConnection(
        pika.ConnectionParameters("localhost", PORT, ssl_options=options, credentials=credentials)
    )


def round_trip(connection):
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    for body in BODIES:
        channel.basic_publish("", queue, body, mandatory=True)
    for body in BODIES:
        method, _, got = channel.basic_get(queue, auto_ack=True)
        assert method is not None and got == body, f"{len(body)} bytes"
    connection.close()


round_trip(connect(False, pika.PlainCredentials("guest", "guest")))
round_trip(connect(True, pika.credentials.ExternalCredentials()))
try:
    connect(False, pika.credentials.ExternalCredentials())
except pika.exceptions.ProbableAuthenticationError:
    pass
else:
    sys.exit("EXTERNAL without a certificate was let in")
