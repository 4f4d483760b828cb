#!/usr/bin/env python3
"""Sends the same requests to two management APIs and compares what they answer: status, errors with their reasons, and of other
answers the keys and JSON types. Differences that are known stand in a file with their reasons; any other fails, and so does an entry
of the file that nothing needs any more.

    compare.py http://127.0.0.1:15672 amqp://127.0.0.1:5672 http://127.0.0.1:15673 amqp://127.0.0.1:5673 known/rabbitmq-4.0.json

The first is Coney, the second RabbitMQ. Needs pika, for one connection with a consumer on each.
"""
import base64, json, re, sys, time, urllib.error, urllib.parse, urllib.request

import pika
import pika.exceptions

from requests_to_make import STEPS

VHOST = "http-compare"


class Api:
    def __init__(self, base, amqp):
        self.base, self.amqp = base.rstrip("/"), amqp
        self.connection = None
        self.names = {}

    def send(self, method, path, body=None, user="guest:guest", headers=None):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.base + "/api" + path, data=data, method=method, headers=headers or {})
        if data is not None and "content-type" not in {name.lower() for name in (headers or {})}:
            request.add_header("content-type", "application/json")
        if user:
            request.add_header("authorization", "Basic " + base64.b64encode(user.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def connect(self):
        host, port = re.match(r"amqp://([^:/]+):(\d+)", self.amqp).groups()
        parameters = pika.ConnectionParameters(host, int(port), VHOST, client_properties={"connection_name": "compare"})
        self.connection = pika.BlockingConnection(parameters)
        channel = self.connection.channel()
        channel.basic_qos(prefetch_count=7)
        channel.basic_consume("consumed", lambda *_: None, consumer_tag="tag")
        # An answer after it: both know of the consumer.
        channel.queue_declare("consumed", passive=True)

    def fill(self, text):
        """Replaces what is different on each side: node, connection and channel names, ports."""
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
        return text

    def learn(self):
        """Statistics come late in RabbitMQ: until they are there."""
        self.names["node"] = json.loads(self.send("GET", "/overview")[2])["node"]
        self.names["amqp_port"] = re.search(r":(\d+)", self.amqp.split("//")[1]).group(1)
        while True:
            connections = json.loads(self.send("GET", f"/vhosts/{VHOST}/connections")[2])
            channels = json.loads(self.send("GET", f"/vhosts/{VHOST}/channels")[2])
            queue = json.loads(self.send("GET", f"/queues/{VHOST}/consumed")[2])
            ready = connections and "client_properties" in connections[0] and channels
            ready = ready and "consumer_count" in channels[0] and queue.get("consumers") == 1 and "memory" in queue
            if ready and queue.get("message_stats", {}).get("publish"):
                break
        self.names["connection"], self.names["channel"] = connections[0]["name"], channels[0]["name"]


def kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "list", dict: "object"}[type(value)]


# Keys whose values are anybody's: what is in them says nothing.
FREE = {"arguments", "definition", "value", "client_properties", "cluster_state"}


def merged(items):
    """Objects of a list as one that has the keys of all."""
    together = {}
    for item in items:
        together.update({key: value for key, value in item.items() if value is not None or key not in together})
    return together


def shapes(ours, theirs, path):
    """Differences of keys and types; of lists all items together, on both sides."""
    if kind(ours) != kind(theirs):
        yield f"{path}: {kind(ours)} instead of {kind(theirs)}"
    elif isinstance(ours, dict):
        for key in sorted(ours.keys() - theirs.keys()):
            yield f"{path}.{key}: only in Coney"
        for key in sorted(theirs.keys() - ours.keys()):
            yield f"{path}.{key}: missing"
        for key in sorted((ours.keys() & theirs.keys()) - FREE):
            yield from shapes(ours[key], theirs[key], f"{path}.{key}")
    elif isinstance(ours, list) and bool(ours) != bool(theirs):
        yield f"{path}: {'items' if ours else 'no items'}, and the other way round in RabbitMQ"
    elif isinstance(ours, list) and ours and all(isinstance(item, dict) for item in ours + theirs):
        yield from shapes(merged(ours), merged(theirs), f"{path}[]")
    elif isinstance(ours, list) and ours:
        yield from shapes(ours[0], theirs[0], f"{path}[]")


def parse(body):
    try:
        return json.loads(body)
    except ValueError:
        return body


def same(api, text):
    """An answer without what differs from side to side."""
    for name in ("connection", "channel", "node"):
        if name in api.names:
            text = text.replace(api.names[name], "{" + name + "}")
    return text


def why(status, body):
    """Why one of two whose statuses differ refuses, for whoever reads it."""
    return f" ({body.decode(errors='replace')[:200]})" if status >= 500 else ""


def differences(ours, theirs, ours_api, theirs_api):
    (status, headers, body), (their_status, their_headers, their_body) = ours, theirs
    if status != their_status:
        yield f"status: {status} instead of {their_status}{why(status, body)}{why(their_status, their_body)}"
        return
    for name in ["location", "www-authenticate"]:
        mine, other = ({k.lower(): v for k, v in h.items()}.get(name) for h in (headers, their_headers))
        if mine != other and not (mine and other and "~" in mine):
            yield f"header {name}: {mine} instead of {other}"
    mine, other = (parse(same(api, text.decode(errors="replace"))) for api, text in ((ours_api, body), (theirs_api, their_body)))
    if status >= 400:
        mine, other = (json.dumps(value, sort_keys=True) for value in (mine, other))
        if mine != other:
            yield f"error: {mine} instead of {other}"
    else:
        yield from shapes(mine, other, "")


# A health check of RabbitMQ's asks all its channels and queues, and fails for one that goes away meanwhile.
TRIES = 5


def lasting_differences(apis, method, path, options):
    """What differs each time: what only reads is asked again, one second later, while its statuses differ."""
    for left in reversed(range(TRIES)):
        answers = [api.send(method, api.fill(path), **options) for api in apis]
        if answers[0][0] == answers[1][0] or method != "GET" or answers[1][0] != 503 or not left:
            return list(differences(*answers, *apis))
        print("AGAIN", method, path, *differences(*answers, *apis))
        time.sleep(1)


def main():
    ours, theirs = Api(*sys.argv[1:3]), Api(*sys.argv[3:5])
    known = json.load(open(sys.argv[5]))
    used, failures, count = set(), 0, 0
    for step in STEPS:
        if step == "connect":
            for api in (ours, theirs):
                api.connect()
                api.learn()
            continue
        method, path, *rest = step
        options = rest[0] if rest else {}
        count += 1
        for difference in lasting_differences((ours, theirs), method, path, options):
            who = "" if "user" not in options else f" as {options['user']}"
            sent = "" if "body" not in options else f" {json.dumps(options['body'], default=repr)[:200]}"
            line = f"{method} {path}{who}{sent}: {difference}"
            reason = next((i for i, entry in enumerate(known) if re.search(entry["difference"], line)), None)
            if reason is None:
                failures += 1
                print("DIFFERENT", line)
            else:
                used.add(reason)
    for api in (ours, theirs):
        try:
            api.connection.close()
        except pika.exceptions.AMQPError:
            # It was closed by a request.
            pass
    for index, entry in enumerate(known):
        if index not in used and not entry.get("sometimes"):
            failures += 1
            print("NOT NEEDED", entry["difference"])
    print(f"{count} requests, {failures} differences that nothing explains, {len(used)} that are known")
    sys.exit(1 if failures else 0)


main()
