"""RabbitMQ with three nodes in the same three namespaces, of a Debian in a folder."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from clients import QUEUE
from machines import AMQP, HTTP, NAMES, Network, Process, wait
from systems import Cluster, api, pid

ROOT = os.environ.get("RABBITMQ_ROOT")
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class Node(Process):
    """A script, with the process that matters below it."""

    def __init__(self, command, log, pid_file):
        super().__init__(command, log)
        self.pid_file = pid_file

    def start(self):
        if self.child is None:
            self.pid_file.unlink(missing_ok=True)
        super().start()

    def end(self, number=signal.SIGKILL):
        if self.child is not None:
            os.kill(pid(self) if self.pid_file.exists() else self.child.pid, number)
            self.child.wait(60)
            self.child = None


class RabbitMQ(Cluster):
    """Quorum queues, each with a copy on each node. A queue is led by the node at which it was made."""

    title, quorum = "RabbitMQ, three nodes", ["--quorum"]

    def __init__(self):
        self.kept = tempfile.TemporaryDirectory(dir=f"{ROOT}/tmp")
        self.folder, self.network = Path(self.kept.name), Network()
        # As it is called within the Debian.
        self.inner = Path("/tmp") / self.folder.name
        self.folder.chmod(0o755)
        home = self.folder / "home"
        home.mkdir()
        cookie = home / ".erlang.cookie"
        cookie.write_text("CONEYFIGURES")
        cookie.chmod(0o400)
        self.nats, self.nodes = {}, {name: self._rabbit(name) for name in NAMES}

    def name(self, name):
        return f"rabbit@{self.address(name)}"

    def _rabbit(self, name):
        own, folder, inner = self.address(name), self.folder / name, self.inner / name
        folder.mkdir()
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        peers = "".join(f"cluster_formation.classic_config.nodes.{at} = {self.name(peer)}\n" for at, peer in enumerate(NAMES, 1))
        (folder / "rabbitmq.conf").write_text(
            f"loopback_users = none\nmanagement.tcp.ip = {own}\nmanagement.tcp.port = {HTTP}\n"
            f"cluster_formation.peer_discovery_backend = classic_config\n{peers}")
        settings = {
            "NODENAME": self.name(name), "USE_LONGNAME": "true", "NODE_IP_ADDRESS": own, "NODE_PORT": AMQP, "DIST_PORT": 25672,
            "MNESIA_BASE": inner / "data", "LOG_BASE": inner / "log", "PID_FILE": inner / "pid",
            "ENABLED_PLUGINS_FILE": inner / "enabled_plugins", "CONFIG_FILE": inner / "rabbitmq",
        }
        variables = [f"RABBITMQ_{key}={value}" for key, value in settings.items()]
        command = ["chroot", ROOT, "env", f"HOME={self.inner}/home", "LANG=C.UTF-8", *variables, SERVER]
        return Node(self.network.inside(name, *command), self.folder / f"{name}.log", folder / "pid")

    def start(self):
        self.start_nodes()
        wait(180, "three nodes of RabbitMQ run", lambda: len(self._running()) == len(NAMES))
        wait(60, "all of them take connections", lambda: all(self.listens(name) for name in NAMES))

    def _running(self):
        for name in NAMES:
            nodes = api(self.address(name), "nodes")
            if nodes is not None:
                return [node["name"] for node in nodes if node["running"]]
        return []

    def _queue(self):
        """The faults' queue, as any node sees it."""
        views = (api(self.address(name), f"queues/%2F/{QUEUE}") for name in NAMES)
        return next((queue for queue in views if queue), {})

    def leader(self):
        """Of the faults' queue, if there is one; it is made at the first node."""
        led_by = self._queue().get("leader", self.name("a"))
        return next((name for name in NAMES if self.name(name) == led_by), None)

    def leads(self):
        return "a"

    def views(self):
        """Nodes that have a copy of the faults' queue."""
        return self._queue().get("online", [])

    def processes(self):
        return [("leader" if name == "a" else "standby", pid(node)) for name, node in self.nodes.items()]

    def close(self):
        for node in self.nodes.values():
            node.end()
        # epmd goes on by itself, in namespaces that nobody else is in.
        for name in NAMES:
            left = subprocess.run(["ip", "netns", "pids", self.network.space(name)], capture_output=True, text=True).stdout
            for one in left.split():
                try:
                    os.kill(int(one), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.network.close()
        shutil.rmtree(self.folder, ignore_errors=True)
