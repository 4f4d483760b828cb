"""Three machines: a network namespace each, on one bridge, with a nats-server and a coney in it."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from disks import Disk

BINARY, NATS = os.environ["CONEY_BINARY"], os.environ["CONEY_NATS_SERVER"]
NAMES = "abc"
AMQP, HTTP, METRICS, PEER, CLIENT, ROUTES, MONITOR = 5672, 15672, 15692, 5680, 4222, 6222, 8222


def sh(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """A bridge with a namespace for each machine; clients are on the bridge."""

    def __init__(self):
        self.id = f"cny{os.getpid() % 100000}"
        self.octet = 16 + os.getpid() % 200
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", self.id, "type", "bridge")
        sh("ip", "address", "add", f"10.91.{self.octet}.1/24", "dev", self.id)
        sh("ip", "link", "set", self.id, "up")
        for index, name in enumerate(NAMES):
            space, link = self.space(name), f"{self.id}{name}"
            sh("ip", "netns", "add", space)
            sh("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            sh("ip", "link", "set", link, "master", self.id, "up")
            sh("ip", "-n", space, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
            sh("ip", "-n", space, "link", "set", "eth0", "up")
            sh("ip", "-n", space, "link", "set", "lo", "up")

    def space(self, name):
        return f"{self.id}{name}"

    def address(self, name):
        return f"10.91.{self.octet}.{10 + NAMES.index(name)}"

    def inside(self, name, *command):
        # `ip netns exec` would have mounts of its own, and keep those that are to go.
        return ["nsenter", f"--net=/run/netns/{self.space(name)}", *command]

    def drop(self, name, *rule):
        sh(*self.inside(name, "iptables", "-A", *rule, "-j", "DROP"))

    def cut_off(self, name, *, incoming=True, outgoing=True, ports=None, of=None):
        """Packets from and to other machines are lost: all, or those of some ports, or those of one machine."""
        for chain, flag in [("INPUT", "-s")] * incoming + [("OUTPUT", "-d")] * outgoing:
            other = "10.91.0.0/16" if of is None else self.address(of)
            for match in [[]] if ports is None else [["-p", "tcp", side, str(p)] for p in ports for side in ("--dport", "--sport")]:
                # What a machine says to itself goes over its loopback.
                self.drop(name, chain, flag, other, "!", "-i" if chain == "INPUT" else "-o", "lo", *match)

    def heal(self):
        for name in NAMES:
            sh(*self.inside(name, "iptables", "-F"))

    def close(self):
        for name in NAMES:
            # A namespace goes in its own time; another of the same name may be made at once.
            sh("ip", "link", "delete", f"{self.id}{name}", check=False)
            sh("ip", "netns", "delete", self.space(name), check=False)
        sh("ip", "link", "delete", self.id, check=False)


class Process:
    """One that is started again after it has died."""

    def __init__(self, command, log):
        self.command, self.log, self.child = command, log, None

    def start(self):
        if self.child is None:
            with open(self.log, "ab") as log:
                self.child = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def send(self, number):
        if self.child is not None:
            self.child.send_signal(number)

    def end(self, number=signal.SIGKILL):
        if self.child is not None:
            self.send(number)
            self.send(signal.SIGCONT)
            self.child.wait(30)
            self.child = None

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def start_if_ended(self):
        if not self.is_running():
            self.child = None
            self.start()

    def last_line(self):
        lines = Path(self.log).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def said(self, text):
        """How often."""
        return Path(self.log).read_text(errors="replace").count(text)

    def assert_running(self):
        if self.child is not None and self.child.poll() is not None:
            tail = Path(self.log).read_text(errors="replace")[-3000:]
            raise AssertionError(f"{self.command[-1]} has ended with {self.child.returncode}: {tail}")


class Machines:
    # Of `coney cluster init`.
    init_options = ()

    def __init__(self, folder, *, has_disks=False):
        self.folder, self.network = Path(folder), Network()
        kinds = [(kind, name) for kind in ("node", "nats") for name in NAMES] if has_disks else []
        self.disks = {(kind, name): Disk(self.folder, f"disk-{kind}-{name}") for kind, name in kinds}
        self.nats = {name: self._nats(name) for name in NAMES}
        self.nodes = {name: self._node(name) for name in NAMES}

    def address(self, name):
        return self.network.address(name)

    def data(self, kind, name):
        disk = self.disks.get((kind, name))
        return disk.place / "data" if disk else self.folder / f"{kind}-{name}"

    def _nats(self, name):
        own, config = self.address(name), self.folder / f"nats-{name}.conf"
        routes = ", ".join(f"nats://{self.address(other)}:{ROUTES}" for other in NAMES)
        config.write_text(
            f"server_name: n{name}\nlisten: {own}:{CLIENT}\nhttp: {own}:{MONITOR}\n"
            f"jetstream {{ store_dir: {self.data('nats', name)}, sync_interval: always }}\n"
            f"cluster {{ name: coney, listen: {own}:{ROUTES}, routes: [{routes}] }}\n"
            # As docs/nats.md says: without it a server that is cut off is missed after a minute only.
            "ping_interval: 2s\nping_max: 2\n"
        )
        return Process(self.network.inside(name, NATS, "-c", str(config)), self.folder / f"nats-{name}.log")

    def settings(self, name):
        yield from ["--cluster", "c", "--cluster-node", name, "--cluster-rank", str(NAMES.index(name))]
        yield from ["--cluster-peer", f"{self.address(name)}:{PEER}"]
        # The nearest first.
        for other in sorted(NAMES, key=lambda other: other != name):
            yield from ["--cluster-log", f"nats://{self.address(other)}:{CLIENT}"]
            yield from ["--cluster-log-monitor", f"http://{self.address(other)}:{MONITOR}"]

    def _node(self, name):
        own = self.address(name)
        doors = ["--amqp", f"{own}:{AMQP}", "--http", f"{own}:{HTTP}", "--metrics", f"{own}:{METRICS}"]
        users = ["--loopback-users", "none"]
        command = [BINARY, *self.settings(name), *doors, *users, "--data-dir", str(self.data('node', name))]
        return Process(self.network.inside(name, *command), self.folder / f"node-{name}.log")

    def start(self):
        for server in self.nats.values():
            server.start()
        wait(60, "JetStream has a leader", lambda: self._meta_leader())
        init = self.network.inside("a", BINARY, "cluster", "init", *self.settings("a"), *self.init_options)
        wait(60, "the cluster is made", lambda: subprocess.run(init, capture_output=True).returncode == 0)
        self.start_nodes()
        wait(60, "a node leads", self.leader)

    def start_nodes(self):
        for process in [*self.nats.values(), *self.nodes.values()]:
            process.start()

    def _meta_leader(self):
        return (self._get(f"http://{self.address('a')}:{MONITOR}/jsz") or {}).get("meta_cluster", {}).get("leader")

    def _get(self, url):
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return json.load(answer)
        except (OSError, ValueError, urllib.error.URLError):
            return None

    def views(self):
        """What the nodes that answer say of the cluster."""
        found = {name: self._get(f"http://{self.address(name)}:{METRICS}/api/coney/cluster") for name in NAMES}
        return {name: view for name, view in found.items() if view is not None}

    def leader(self):
        """Of the last term that any node knows."""
        views = sorted(self.views().values(), key=lambda view: view["term"])
        return views[-1]["leader"] if views else None

    def log_leader(self):
        """The machine whose nats-server leads the log's stream."""
        for name in NAMES:
            jsz = self._get(f"http://{self.address(name)}:{MONITOR}/jsz?streams=1&accounts=1") or {}
            for account in jsz.get("account_details", []):
                for stream in account.get("stream_detail", []):
                    if stream["name"] == "coney-c" and stream.get("cluster", {}).get("leader"):
                        return stream["cluster"]["leader"].removeprefix("n")
        return None

    def applied(self):
        """What each node has applied, if all have the same."""
        own = {name: next((node for node in view["nodes"] if node["name"] == name), {}) for name, view in self.views().items()}
        marks = {node.get("applied") for node in own.values()}
        return marks.pop() if len(own) == len(NAMES) and len(marks) == 1 else None

    def assert_running(self):
        for process in [*self.nats.values(), *self.nodes.values()]:
            process.assert_running()

    def close(self):
        for process in [*self.nodes.values(), *self.nats.values()]:
            process.end()
        self.network.close()
        for disk in self.disks.values():
            disk.close()


def wait(seconds, what, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")
