"""rabbitmqadmin v1's commands, and what they do: `check.py PROGRAM HTTP-URL AMQP-URL`."""

import json
import os
import sys
import tempfile
import urllib.parse

import pika

from support import host_and_port, own_vhost, run, same, until


class Admin:
    def __init__(self, program, base, vhost):
        host, port = host_and_port(base)
        self.vhost = vhost
        self.command = [sys.executable, program, "--host", host, "--port", str(port)]

    def __call__(self, *arguments, status=0, vhost=True):
        return run([*self.command, *(["--vhost", self.vhost] if vhost else []), *arguments], status).strip()

    def rows(self, *arguments, vhost=True):
        return json.loads(self("--format", "raw_json", *arguments, vhost=vhost))

    def own(self, kind, *columns):
        """Those of this vhost, as (column, ..)."""
        rows = self.rows("list", kind, "vhost", *columns, vhost=kind in ("exchanges", "queues", "bindings"))
        return sorted(tuple(row.get(column) for column in columns) for row in rows if row["vhost"] == self.vhost)


def check_queues_and_exchanges(admin):
    same("declare queue", admin("declare", "queue", "name=one", 'arguments={"x-max-length": 10}'), "queue declared")
    same("again", admin("declare", "queue", "name=one", 'arguments={"x-max-length": 10}'), "queue declared")
    same("quorum", admin("declare", "queue", "name=two", "queue_type=quorum"), "queue declared")
    same("exchange", admin("declare", "exchange", "name=x", "type=topic", "durable=false"), "exchange declared")
    same("binding", admin("declare", "binding", "source=x", "destination=one", "routing_key=a.#"), "binding declared")
    same("between exchanges", admin("declare", "binding", "source=x", "destination_type=exchange",
                                    "destination=amq.fanout"), "binding declared")
    until("queues", lambda: admin.own("queues", "name", "type", "durable"), [("one", "classic", True), ("two", "quorum", True)])
    until("arguments", lambda: [row[1].get("x-max-length") for row in admin.own("queues", "name", "arguments")], [10, None])
    exchanges = [row for row in admin.own("exchanges", "name", "type", "durable") if row[0] == "x"]
    same("exchanges", exchanges, [("x", "topic", False)])
    bindings = [row for row in admin.own("bindings", "source", "destination", "routing_key", "properties_key") if row[0]]
    same("bindings", bindings, [("x", "amq.fanout", "", "~"), ("x", "one", "a.#", "a.%23")])


def check_errors(admin):
    """What a person reads has to be what RabbitMQ says."""
    name = "inequivalent arg 'durable' for queue 'one' in vhost"
    found = admin("declare", "queue", "name=one", "durable=false", status=1)
    same("another durability", name in found, True)
    same("a queue that is not there", admin("delete", "queue", "name=none", status=1),
         f"*** Not found: /api/queues/{admin.vhost}/none")
    same("a wrong password", admin("--password", "wrong", "list", "queues", status=1),
         f"*** Access refused: /api/queues/{admin.vhost}?columns=name,messages")
    same("not a boolean", "not_boolean" in admin("declare", "queue", "name=three", "durable=perhaps", status=1), True)


def check_messages(admin):
    same("publish", admin("publish", "exchange=x", "routing_key=a.b", "payload=hello",
                          'properties={"delivery_mode": 2, "headers": {"n": 1}}'), "Message published")
    same("to nowhere", admin("publish", "exchange=x", "routing_key=b", "payload=lost"), "Message published but NOT routed")
    [message] = admin.rows("get", "queue=one", "ackmode=ack_requeue_true")
    same("get", [message[key] for key in ("payload", "payload_encoding", "routing_key", "exchange", "redelivered")],
         ["hello", "string", "a.b", "x", False])
    same("properties", message["properties"], {"delivery_mode": 2, "headers": {"n": 1}})
    [message] = admin.rows("get", "queue=one", "ackmode=ack_requeue_false")
    same("again", (message["payload"], message["redelivered"], message["message_count"]), ("hello", True, 0))
    same("empty", admin.rows("get", "queue=one"), [])
    admin("publish", "routing_key=one", "payload=AP8=", "payload_encoding=base64")
    [message] = admin.rows("get", "queue=one", "encoding=base64", "ackmode=reject_requeue_true")
    same("binary", message["payload"], "AP8=")
    until("the list's count", lambda: admin.own("queues", "name", "messages"), [("one", 1), ("two", 0)])
    same("purge", admin("purge", "queue", "name=one"), "queue purged")
    until("the list's count", lambda: admin.own("queues", "name", "messages"), [("one", 0), ("two", 0)])
    until("a table", lambda: admin("--format", "tsv", "list", "queues").splitlines(), ["name\tmessages", "one\t0", "two\t0"])


def check_users(admin):
    user = admin.vhost
    same("user", admin("declare", "user", f"name={user}", "password=p", "tags=management,policymaker"), "user declared")
    same("permission", admin("declare", "permission", f"vhost={user}", f"user={user}", "configure=.*", "write=w", "read="),
         "permission declared")
    same("permissions", admin.own("permissions", "user", "configure", "write", "read"),
         [("guest", ".*", ".*", ".*"), (user, ".*", "w", "")])
    [tags] = [row["tags"] for row in admin.rows("list", "users", vhost=False) if row["name"] == user]
    same("tags", tags, ["management", "policymaker"])
    same("as that user", admin("--username", user, "--password", "p", "--format", "tsv", "list", "vhosts", "name"),
         f"name\n{user}")
    admin("delete", "permission", f"vhost={user}", f"user={user}")
    same("permissions", admin.own("permissions", "user"), [("guest",)])
    same("delete user", admin("delete", "user", f"name={user}"), "user deleted")


def check_policies(admin):
    admin("declare", "policy", "name=p", "pattern=^one$", 'definition={"message-ttl": 60000}', "priority=3", "apply-to=queues")
    admin("declare", "operator_policy", "name=o", "pattern=.*", 'definition={"max-length": 9}', "apply-to=queues")
    admin("declare", "vhost_limit", f"vhost={admin.vhost}", "name=max-queues", "value=5")
    same("policies", admin.own("policies", "name", "pattern", "definition", "priority", "apply-to"),
         [("p", "^one$", {"message-ttl": 60000}, 3, "queues")])
    same("operator policies", admin.own("operator_policies", "name", "definition"), [("o", {"max-length": 9})])
    same("limits", admin.own("vhost_limits", "value"), [({"max-queues": 5},)])
    until("on the queue", lambda: admin.own("queues", "name", "policy", "operator_policy")[0], ("one", "p", "o"))
    refused = admin("declare", "policy", "name=q", "pattern=.*", 'definition={"message-ttl": -1}', status=1)
    same("a value that is none", "Validation failed" in refused, True)
    admin("delete", "policy", "name=p")
    admin("delete", "operator_policy", "name=o")
    admin("delete", "vhost_limit", f"vhost={admin.vhost}", "name=max-queues")
    same("no policy", admin.own("policies", "name") + admin.own("operator_policies", "name"), [])


def check_definitions(admin):
    with tempfile.TemporaryDirectory() as folder:
        before, after = os.path.join(folder, "before"), os.path.join(folder, "after")
        admin("export", before)
        for queue in ("one", "two"):
            same("delete queue", admin("delete", "queue", f"name={queue}"), "queue deleted")
        same("nothing is left", admin.own("queues", "name"), [])
        admin("import", before)
        admin("export", after)
        with open(before) as first, open(after) as second:
            same("what was imported", normal(json.load(second)), normal(json.load(first)))
        admin("export", after, vhost=False)
        with open(after) as everything:
            names = [vhost["name"] for vhost in json.load(everything)["vhosts"]]
        same("the whole broker's", admin.vhost in names, True)


def normal(definitions):
    """The order of a list and the version are not what counts."""
    return {kind: sorted(rows, key=json.dumps) for kind, rows in definitions.items() if isinstance(rows, list)}


def check_connections(admin, amqp):
    parameters = pika.URLParameters(f"{amqp}/{urllib.parse.quote(admin.vhost, safe='')}")
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_consume("one", lambda *_: None, consumer_tag="tag")
    channel.queue_declare("one", passive=True)  # its answer comes after the consumer is there
    until("consumers", lambda: [row["consumer_tag"] for row in admin.rows("list", "consumers")], ["tag"])
    until("connections", lambda: admin.own("connections", "user", "channels", "state"), [("guest", 1, "running")])
    until("channels", lambda: admin.own("channels", "user", "number", "consumer_count"), [("guest", 1, 1)])
    [(name,)] = admin.own("connections", "name")
    same("close", admin("close", "connection", f"name={name}"), "connection closed")
    try:
        connection.process_data_events(time_limit=30)
    except pika.exceptions.ConnectionClosedByBroker as closed:
        same("the client is told", closed.reply_code, 320)
    else:
        raise AssertionError("the connection is still open")


def check_rest(admin):
    [overview] = admin.rows("show", "overview", "rabbitmq_version", "cluster_name", "object_totals", vhost=False)
    same("overview", sorted(overview), ["cluster_name", "object_totals", "rabbitmq_version"])
    [node] = admin.rows("list", "nodes", "name", "type", "running", vhost=False)
    same("node", (node["type"], node["running"]), ("disc", True))
    same("delete binding", admin("delete", "binding", "source=x", "destination_type=queue", "destination=one",
                                 "properties_key=a.%23"), "binding deleted")
    same("delete exchange", admin("delete", "exchange", "name=x"), "exchange deleted")
    vhost = f"{admin.vhost}-2"
    same("vhost", admin("declare", "vhost", f"name={vhost}", "tracing=false"), "vhost declared")
    same("delete vhost", admin("delete", "vhost", f"name={vhost}"), "vhost deleted")


def main(program, base, amqp):
    with own_vhost(base, "admin") as vhost:
        admin = Admin(program, base, vhost)
        checks = [check_queues_and_exchanges, check_errors, check_messages, check_users, check_policies, check_definitions]
        for check in checks:
            check(admin)
        check_connections(admin, amqp)
        check_rest(admin)
        version = admin("--version").split()[-1]
    print(f"rabbitmqadmin {version}: {len(checks) + 2} checks passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
