"""What RabbitMQ's image promises, of ours: users, files, environment, commands, health checks, data that stays."""

import os
import pathlib
import re
import tempfile
import time

import pika

from containers import COMMAND_S, IMAGE, container, docker, has, publish_and_get, same, until, volume

SIZE_MAX_BYTES = 19_000_000
READY_MAX_MS = 100
STARTS_MAX = 30


def size():
    found = int(docker("image", "inspect", "--format", "{{.Size}}", IMAGE))
    print(f"  the image has {found / 1e6:.1f} MB")
    assert found < SIZE_MAX_BYTES, f"{found} bytes"


def start():
    with container("--hostname", "box") as one:
        log = one.started().log()
        for line in ["node           : rabbit@box", "started TCP listener on", "plugins started."]:
            has("log", log, line)
        until("the banner", lambda: " completed with " in one.log())
        connection = one.connect()
        peers = one.run("rabbitmqctl", "-q", "list_connections", "peer_host")
        assert "." in peers and ":" not in peers, f"peers: {peers}"
        connection.close()
        same("who runs it", one.run("stat", "-c", "%U", "/proc/1").strip(), "rabbitmq")
        publish_and_get(one.connect(), "first", b"hello")


def speed():
    """One start has to be fast: the machine does something else besides, so it is given some."""
    def start_ms():
        with container() as one:
            one.started()
            return int(until("our own line", lambda: re.search(r"startup complete in (\d+) ms", one.log())).group(1))

    starts = []
    while len(starts) < STARTS_MAX and min(starts, default=READY_MAX_MS) >= READY_MAX_MS:
        starts.append(start_ms())
    print(f"  ready {min(starts)} ms after its start, the fastest of {len(starts)}")
    assert min(starts) < READY_MAX_MS, f"{starts} ms"


def health_checks():
    checks = ["rabbitmq-diagnostics -q ping", "rabbitmq-diagnostics check_running", "rabbitmqctl status",
              "rabbitmq-diagnostics -q check_port_connectivity", "rabbitmq-diagnostics -q check_local_alarms",
              "rabbitmqctl node_health_check || rabbitmq-diagnostics -q check_virtual_hosts",
              "rabbitmqctl await_startup", "wget -qO- http://guest:guest@localhost:15672/api/aliveness-test/%2F",
              "bash -c 'rabbitmqctl list_queues'", "gosu rabbitmq rabbitmqctl ping"]
    with container("--health-cmd", checks[0], "--health-interval", "1s", "--health-start-period", "1s") as one:
        until("healthy", lambda: one.inspect()["State"]["Health"]["Status"] == "healthy")
        for check in checks:
            one.run("sh", "-c", check)
        start = time.monotonic()
        for _ in range(10):
            one.run("rabbitmq-diagnostics", "-q", "ping")
        print(f"  docker exec .. rabbitmq-diagnostics -q ping: {(time.monotonic() - start) * 100:.0f} ms")


def commands():
    with container() as one:
        one.started()
        one.run("rabbitmqctl", "add_user", "app", "secret")
        one.run("rabbitmqctl", "add_vhost", "orders")
        one.run("rabbitmqctl", "set_permissions", "-p", "orders", "app", ".*", ".*", ".*")
        one.run("rabbitmqctl", "set_user_tags", "app", "administrator")
        has("users", one.run("rabbitmqctl", "list_users"), "app\t[administrator]")
        publish_and_get(one.connect("app", "secret", "orders"), "q", b"x")
        # Version 1's syntax, as testcontainers for Java has it, and version 2's.
        one.run("rabbitmqadmin", "declare", "queue", "name=one", "durable=true")
        one.run("rabbitmqadmin", "queues", "declare", "--name", "two", "--type", "classic", "--durable", "true")
        queues = one.run("rabbitmqctl", "-q", "list_queues", "name")
        has("queues", queues, "one")
        has("queues", queues, "two")
        has("plugin", one.run("rabbitmq-plugins", "is_enabled", "rabbitmq_management"), "rabbitmq_management is enabled")
        one.run("rabbitmq-plugins", "enable", "rabbitmq_shovel", "rabbitmq_shovel_management")


def environment():
    with container("-e", "RABBITMQ_DEFAULT_USER=ann", "-e", "RABBITMQ_DEFAULT_PASS=pass word", "-e", "RABBITMQ_DEFAULT_VHOST=here",
                   "-e", "RABBITMQ_NODE_PORT=5673", "-e", "RABBITMQ_NODENAME=rabbit@first") as one:
        has("node", one.started().log(), "rabbit@first")
        publish_and_get(one.connect("ann", "pass word", "here", 5673), "q", b"x")
        has("users", one.run("rabbitmqctl", "list_users"), "ann\t[administrator]")
        same("the default user over HTTP", one.run("rabbitmqadmin", "-u", "ann", "-p", "pass word", "list", "queues", "name", "-f", "tsv"),
             "name\nq")


def files():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        files = pathlib.Path(directory)
        (files / "rabbitmq.conf").write_text(
            "# as in many compose files\ndefault_user = bob\ndefault_pass = builder\nload_definitions = /etc/rabbitmq/definitions.json\n"
            "vm_memory_high_watermark.relative = 0.5\nsome.key_of_others = 1\n")
        (files / "definitions.json").write_text(
            '{"users": [{"name": "bob", "password": "builder", "tags": "administrator"}], "vhosts": [{"name": "/"}],'
            ' "permissions": [{"user": "bob", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],'
            ' "queues": [{"name": "from-file", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}]}')
        mounts = [f"-v={files / name}:/etc/rabbitmq/{name}:ro" for name in ["rabbitmq.conf", "definitions.json"]]
        with container(*mounts) as one:
            log = one.started().log()
            has("log", log, "config file(s) : /etc/rabbitmq/rabbitmq.conf")
            has("log", log, "some.key_of_others")
            one.connect("bob", "builder").channel().queue_declare("from-file", passive=True)
            assert "guest" not in one.run("rabbitmqctl", "list_users")


def secrets():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        secret = pathlib.Path(directory) / "secret"
        secret.write_text("from a file\n")
        with container("-e", "RABBITMQ_DEFAULT_PASS_FILE=/run/secrets/p", "-v", f"{secret}:/run/secrets/p:ro") as one:
            one.started().connect(password="from a file").close()


def data_stays():
    for options in [(), ("--user", "1000:1000"), ("--read-only",), ("--user", "1000", "--read-only")]:
        for mount in ["/var/lib/rabbitmq", "/var/lib/rabbitmq/mnesia"]:
            with volume() as name:
                with container(*options, "-v", f"{name}:{mount}") as one:
                    channel = one.started().connect().channel()
                    channel.confirm_delivery()
                    channel.queue_declare("kept", durable=True)
                    channel.basic_publish("", "kept", b"still here", pika.BasicProperties(delivery_mode=2))
                    docker("kill", "--signal", "KILL", one.ident)
                with container(*options, "-v", f"{name}:{mount}", "--hostname", "another") as one:
                    _, _, body = one.started().connect().channel().basic_get("kept", auto_ack=True)
                    same(f"the message with {options} at {mount}", body, b"still here")


def stop():
    with container() as one:
        one.started()
        start = time.monotonic()
        docker("stop", "--time", "20", one.ident)
        same("exit status", one.inspect()["State"]["ExitCode"], 0)
        took = time.monotonic() - start
        assert took < 5, f"a stop took {took:.1f} s"


def another_command():
    plugins = "rabbitmq-plugins enable --offline rabbitmq_shovel && rabbitmq-server"
    with container(command=["bash", "-c", plugins]) as one:
        publish_and_get(one.started().connect(), "q", b"x")
    same("a command of its own", docker("run", "--rm", IMAGE, "echo", "mine"), "mine")
    has("the version", docker("run", "--rm", IMAGE, "rabbitmqctl", "version"), "3.13")
    has("our own", docker("run", "--rm", IMAGE, "coney", "--version"), "coney ")


def another_image():
    """An image that is built on ours, as people build on RabbitMQ's."""
    with tempfile.TemporaryDirectory() as directory:
        dockerfile = pathlib.Path(directory) / "Dockerfile"
        dockerfile.write_text(
            f"FROM {IMAGE}\nRUN rabbitmq-plugins enable --offline rabbitmq_management rabbitmq_prometheus\n"
            "RUN printf 'default_user = eve\\ndefault_pass = apple\\n' >> /etc/rabbitmq/conf.d/20-mine.conf\n"
            "RUN chown rabbitmq:rabbitmq /etc/rabbitmq/conf.d/20-mine.conf\n")
        docker("build", "--quiet", "--tag", "on-coney", directory)
        with container(image="on-coney") as one:
            one.started().connect("eve", "apple").close()


def main():
    checks = [size, start, speed, health_checks, commands, environment, files, secrets, data_stays, stop, another_command, another_image]
    for check in checks:
        print(f"contract: {check.__name__}", flush=True)
        check()
    print(f"contract: {len(checks)} checks passed, each command within {COMMAND_S} s")


if __name__ == "__main__":
    main()
