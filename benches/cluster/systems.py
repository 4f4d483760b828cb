"""What is measured: each starts in the same three network namespaces, on the same disk, and says where it leads and which its processes are."""

import json
import os
import re
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from machines import AMQP, BINARY, HTTP, NAMES, Machines, Process, sh, wait

# Coney's and RabbitMQ's first user.
LOGIN = urllib.request.HTTPPasswordMgrWithDefaultRealm()


def api(address, path, method="GET", body=None, seconds=2):
    """What the management API answers; `None` if it does not."""
    url = f"http://{address}:{HTTP}/api/{path}"
    LOGIN.add_password(None, url, "guest", "guest")
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(LOGIN))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with opener.open(request, timeout=seconds) as answer:
            return json.loads(answer.read() or b"{}")
    except (OSError, ValueError):
        return None


def pid(process):
    """Of the broker: what was started may be a script around it."""
    return int(process.pid_file.read_text()) if hasattr(process, "pid_file") else process.child.pid


class Cluster(Machines):
    """Three nodes and three nats-servers."""

    title, quorum, has_standby = "Coney, three nodes", [], True

    def __init__(self):
        self.kept = tempfile.TemporaryDirectory()
        super().__init__(self.kept.name)

    def uri(self, name, vhost="/"):
        return f"amqp://guest:guest@{self.address(name)}:{AMQP}/{'' if vhost == '/' else vhost}"

    def leads(self):
        return wait(30, "a node leads", self.leader)

    def follows(self):
        leader = self.leads()
        return next(name for name in NAMES if name != leader)

    def processes(self):
        """Each with what it is."""
        leader = self.leads()
        nodes = [("leader" if name == leader else "standby", node) for name, node in self.nodes.items()]
        return [(what, pid(process)) for what, process in nodes + [("nats", server) for server in self.nats.values()]]

    def moved(self):
        """Bytes that the leader's machine has sent, and that its processes have written."""
        name = self.leads()
        link = json.loads(sh("ip", "-json", "-statistics", "link", "show", "dev", f"{self.network.id}{name}"))
        here = [process for each in (self.nodes, self.nats) for at, process in each.items() if at == name]
        written = (re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid(each)}/io").read_text(), re.M)[1] for each in here)
        return link[0]["stats64"]["rx"]["bytes"], sum(map(int, written))

    def listens(self, name):
        try:
            socket.create_connection((self.address(name), AMQP), 1).close()
        except OSError:
            return False
        return True

    def make_vhosts(self, names):
        for name in names:
            wait(10, f"vhost {name} is made", lambda: api(self.address(self.leads()), f"vhosts/{name}", "PUT", {}) is not None)

    def close(self):
        super().close()
        self.kept.cleanup()


class Sharded(Cluster):
    """The same with shards for vhosts, which the nodes lead about as many of each."""

    title, shards = "Coney, three nodes with shards", 4
    init_options = ("--shards", str(shards))

    def settings(self, name):
        yield from super().settings(name)
        yield from ["--cluster-spread-after", "1"]

    def start(self):
        super().start()
        wait(120, "no node leads two shards more than another", self.is_spread)

    def is_spread(self):
        views = self.views().values()
        view = next(iter(views), None)
        leaders = [view["leader"], *(shard["leader"] for shard in view.get("shards", ()))] if view else [None]
        leads = [leaders.count(name) for name in NAMES]
        return None not in leaders and len(leaders) == self.shards + 1 and max(leads) - min(leads) < 2


class Alone(Cluster):
    """One Coney without a cluster, in the first namespace."""

    title, has_standby = "Coney alone", False

    def __init__(self):
        super().__init__()
        own = self.address("a")
        doors = ["--amqp", f"{own}:{AMQP}", "--http", f"{own}:{HTTP}", "--metrics", "none", "--loopback-users", "none"]
        command = [BINARY, *doors, "--data-dir", f"{self.folder}/alone"]
        self.nats, self.nodes = {}, {"a": Process(self.network.inside("a", *command), self.folder / "alone.log")}

    def start(self):
        self.start_nodes()
        wait(20, "it answers", lambda: api(self.address("a"), "overview"))

    def leader(self):
        return "a"


def load(uri, options, watched=()):
    """Starts the load generator."""
    watch = ["--watch", ",".join(str(pid) for _, pid in watched)] if watched else []
    command = [os.environ["CONEY_LOAD"], "--json", "--uri", uri, *options, *watch]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(generator):
    """What it has measured."""
    said, why = generator.communicate(timeout=600)
    if generator.returncode:
        raise RuntimeError(why.strip())
    return json.loads(said.splitlines()[-1])
