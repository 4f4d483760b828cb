"""What can happen to disks, and to nodes that are away for long. Each needs a disk of its own for each process: see disks.py."""

import json
import random
import signal
import socket
import time

from machines import AMQP, BINARY, CLIENT, HTTP, NAMES, sh, wait

STREAM = "coney-c"
# Less than --disk-free-limit, which is 200 MB, and enough to write for a while.
SHORT_BYTES = 120_000_000


def purge(address, before):
    """What a leader does with frames that nobody needs any more, an hour after it last heard of who does."""
    with socket.create_connection((address, CLIENT), 5) as nats:
        body = json.dumps({"seq": before})
        nats.sendall(f'CONNECT {{"verbose":false}}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.PURGE.{STREAM} answer {len(body)}\r\n{body}\r\n'.encode())
        answer = b""
        while b'"purged"' not in answer:
            got = nats.recv(4096)
            assert got, answer
            answer += got


def find(data, bodies):
    """A blob file, and where in it the middle of some body is."""
    for path in data.glob("**/blobs/*"):
        content = path.read_bytes() if path.is_file() else b""
        for body in bodies:
            at = content.find(body[:64])
            if at >= 0:
                return path, at + len(body) // 2
    return None


class DiskFaults:
    """Mixed into those of faults.py."""

    def standby(self):
        leader = self.leader()
        return random.choice([name for name in NAMES if name != leader])

    def lead_is_moved_to(self, name):
        url = f"http://{self.machines.address(name)}:{HTTP}"
        wait(60, f"{name} can be handed the lead",
             lambda: self.machines.leader() == name or sh(BINARY, "cluster", "move", name, "--url", url, "-u", "guest", "-p", "guest", check=False))
        wait(30, f"{name} leads", lambda: self.machines.leader() == name)

    def applied(self, without=None):
        """What each node that answers has applied, by its own word."""
        views = self.machines.views().items()
        nodes = {name: next((node for node in view["nodes"] if node["name"] == name), {}) for name, view in views if name != without}
        return {name: node.get("applied") or 0 for name, node in nodes.items()}

    def has_caught_up(self, name):
        """Whether it is near the others."""
        applied = self.applied()
        return name in applied and applied[name] + 500 > max(applied.values()) > 0

    def freeze_leader_disk(self):
        """For 10 s: another leads before it is over."""
        leader = self.leader()
        disk = self.machines.disks["node", leader]
        disk.freeze(is_frozen=True)
        begin = time.monotonic()
        try:
            wait(10, "another leads", lambda: self.machines.leader() not in (None, leader))
            print(f"  another led {time.monotonic() - begin:.1f} s after the disk was frozen")
            time.sleep(max(0.0, begin + 10 - time.monotonic()))
        finally:
            disk.freeze(is_frozen=False)

    def full_disk_of_a_standby(self):
        """It ends when nothing more can be written; confirms go on."""
        name = self.standby()
        self.machines.disks["node", name].fill()
        self.confirms_go_on_while_full()
        print(f"  the disk of {name}, which follows, is full: {self.what_became_of(name)}")
        assert self.machines.leader() not in (None, name)
        self.room("node", name)

    def full_disk_of_the_leader(self):
        """At once, to the last block: another leads and confirms while it is full."""
        name = self.leader()
        self.another_leads(name)
        self.room("node", name)

    def short_disk_of_the_leader(self):
        """Publishers would be blocked, but another has room: it is handed the lead, and nobody ends."""
        name = self.leader()
        disk = self.machines.disks["node", name]
        disk.fill(leave=SHORT_BYTES)
        wait(10, "another leads", lambda: self.machines.leader() not in (None, name))
        self.confirms_go_on_while_full()
        assert self.nodes[name].is_running(), self.nodes[name].last_line()
        self.room("node", name)

    def full_disk_of_the_log_leader(self):
        """Of the nats-server that leads the log. It takes part again when it is started again."""
        name = wait(30, "a server leads the log", self.machines.log_leader)
        self.machines.disks["nats", name].fill()
        self.confirms_go_on_while_full()
        print(f"  the disk of {name}'s nats-server is full: {self.machines.log_leader()}'s leads the log, {self.machines.leader()} leads")
        self.room("nats", name)

    def full_disk_of_the_leaders_machine(self):
        """Of its node, and of the nats-server there: as where both share one."""
        name = self.leader()
        self.machines.disks["nats", name].fill()
        self.another_leads(name)
        print(f"  {self.machines.log_leader()}'s nats-server leads the log")
        self.room("nats", name)
        self.room("node", name)

    def another_leads(self, name):
        """Within 15 s after its disk was filled, and confirms go on there."""
        begin = time.monotonic()
        self.machines.disks["node", name].fill()
        full = time.monotonic()
        wait(15, f"another than {name} leads", lambda: self.machines.leader() not in (None, name))
        print(f"  the disk of {name} was full after {full - begin:.1f} s, and {self.machines.leader()} led {time.monotonic() - begin:.1f} s after that began")
        self.confirms_go_on_while_full()
        print(f"  {name}: {self.what_became_of(name)}")

    def confirms_go_on_while_full(self):
        before = self.clients.count()
        wait(60, "confirms go on", lambda: self.clients.count() > before + 100)

    def what_became_of(self, name):
        """Of its node, within 15 s."""
        node, end = self.nodes[name], time.monotonic() + 15
        while time.monotonic() < end and node.is_running():
            time.sleep(0.2)
        return "it is still there" if node.is_running() else f"it ended: {node.last_line()}"

    def room(self, kind, name):
        """There is again; what has ended, or does not go on by itself, is started again."""
        self.machines.disks[kind, name].make_room()
        if kind == "nats":
            self.nats[name].end()
            self.nats[name].start()
        else:
            self.nodes[name].start_if_ended()
            wait(60, f"{name} has caught up", lambda: self.has_caught_up(name))

    def power_cut(self):
        """Of all machines at once."""
        for disk in self.machines.disks.values():
            disk.cut_power()
        for process in [*self.nodes.values(), *self.nats.values()]:
            process.end()
        for disk in self.machines.disks.values():
            disk.unmount()
            disk.mount()

    def power_cut_of_the_leader(self):
        """Of its machine, with the nats-server there, which comes back after 10 s."""
        name = self.leader()
        disks = [self.machines.disks[kind, name] for kind in ("node", "nats")]
        for disk in disks:
            disk.cut_power()
        self.nodes[name].end()
        self.nats[name].end()
        for disk in disks:
            disk.unmount()
            disk.mount()
        time.sleep(10)

    def rolling_restart(self):
        """SIGTERM for each, who leads last; the next one when the one before has caught up."""
        leader = self.leader()
        for name in sorted(NAMES, key=lambda name: name == leader):
            self.nodes[name].end(signal.SIGTERM)
            self.nodes[name].start()
            wait(60, f"{name} is back", lambda: name in self.machines.views() and self.has_caught_up(name))

    def away_past_the_trim(self):
        """What comes next for a standby is trimmed: it takes a snapshot, and can lead then."""
        name = self.standby()
        self.nodes[name].end()
        before = max(self.applied().values())
        wait(60, "others go on", lambda: min(self.applied(without=name).values(), default=0) > before + 200)
        purge(self.machines.address(self.leader()), before + 100)
        seen = self.nodes[name].said("taking a snapshot")
        self.nodes[name].start()
        wait(60, f"{name} takes a snapshot", lambda: self.nodes[name].said("taking a snapshot") > seen)
        wait(60, f"{name} has caught up", lambda: self.has_caught_up(name))
        self.lead_is_moved_to(name)

    def bit_flip(self):
        """In a standby's blob file, while it does not run. Nothing reads it before the node leads and delivers what is there."""
        name = self.standby()
        bodies = self.clients.publish_large()
        path, at = wait(120, f"{name} has a blob file", lambda: find(self.machines.data("node", name), bodies))
        self.nodes[name].end()
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))
        self.nodes[name].start()
        wait(60, f"{name} has caught up", lambda: self.has_caught_up(name))
        self.lead_is_moved_to(name)
        self.clients.take_large(bodies)
        print(f"  {path.name} of {name} had a bit flipped: it {'still runs' if self.nodes[name].is_running() else 'ended: ' + self.nodes[name].last_line()}; "
              f"{self.machines.leader()} leads")
        self.nodes[name].start_if_ended()


def disk_faults():
    helpers = ("standby", "lead_is_moved_to", "has_caught_up", "applied", "another_leads", "confirms_go_on_while_full", "what_became_of", "room")
    return [name for name, value in vars(DiskFaults).items() if callable(value) and name not in helpers and name[0] != "_"]
