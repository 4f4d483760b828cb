"""What Nagios' plugins say of a broker: `check.py HTTP-URL VERSION`. Status 0 is OK, 1 a warning, 2 critical."""

import sys

from support import api, host_and_port, own_vhost, run, same, until

OK, CRITICAL = 0, 2


class Plugins:
    def __init__(self, base):
        host, port = host_and_port(base)
        self.options = [f"--hostname={host}", f"--port={port}", "--username=guest", "--password=guest"]

    def __call__(self, name, *arguments, status=OK):
        output = run([f"check_rabbitmq_{name}", *self.options, *arguments], status)
        same(f"{name}: warnings of Perl", [line for line in output.splitlines() if "uninitialized" in line], [])
        return output.strip()


def check_broker(check, base, vhost):
    same("aliveness", check("aliveness", f"--vhost={vhost}"), f"RABBITMQ_ALIVENESS OK - vhost: {vhost}")
    check("connections")
    same("objects", check("objects").startswith("RABBITMQ_OBJECTS OK - Gathered Object Counts | vhost="), True)
    until("overview has totals", lambda: "messages" in api(base, "GET", "overview")["queue_totals"], True)
    same("overview", check("overview").startswith("RABBITMQ_OVERVIEW OK - "), True)


def check_queue(check, base, vhost):
    api(base, "PUT", f"queues/{vhost}/q", {})
    for number in range(3):
        message = {"routing_key": "q", "payload": str(number), "payload_encoding": "string", "properties": {}}
        api(base, "POST", f"exchanges/{vhost}/amq.default/publish", message)
    until("the queue's count", lambda: api(base, "GET", f"queues/{vhost}/q").get("messages"), 3)
    queue = [f"--vhost={vhost}", "--queue=q"]
    same("queue", check("queue", *queue).startswith("RABBITMQ_QUEUE OK - "), True)
    # Messages, ready, unacknowledged, consumers: at most two may be there.
    same("too many", "messages CRITICAL (3)" in check("queue", *queue, "--critical=2,-1,-1,-1", status=CRITICAL), True)


def check_node(check, base):
    """They ask for the node rabbit@NAME only. `server` is left out: it wants a limit of sockets, which RabbitMQ 4 does not have."""
    name = api(base, "GET", "overview")["node"]
    if not name.startswith("rabbit@"):
        print(f"nagios: partition and watermark are skipped, the node's name being {name}")
        return 0
    for plugin in ("partition", "watermark"):
        same(plugin, " OK" in check(plugin, f"--node={name.removeprefix('rabbit@')}"), True)
    return 1


def main(base, version):
    check = Plugins(base)
    with own_vhost(base, "nagios") as vhost:
        check_queue(check, base, vhost)
        check_broker(check, base, vhost)
    checks = 2 + check_node(check, base)
    print(f"nagios-plugins-rabbitmq {version}: {checks} checks passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
