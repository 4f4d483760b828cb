"""What can happen to disks, and to nodes that are away for long. Each needs a disk of its own for each process: see disks.py."""

import json
import random
import signal
import socket
import time

from machines import AMQP, BINARY, CLIENT, HTTP, NAMES, sh, wait

STREAM = "coney-c"


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

    def fill(self, name, *, leads):
        """Until its node has ended, or for 15 s; then there is room again, and it is started if it has ended."""
        disk, node = self.machines.disks["node", name], self.nodes[name]
        disk.fill()
        end = time.monotonic() + 15
        while time.monotonic() < end and node.is_running():
            time.sleep(0.2)
        what = "is still there" if node.is_running() else f"ended: {node.last_line()}"
        print(f"  the disk of {name}, which {'leads' if leads else 'follows'}, was full: it {what}; {self.machines.leader()} leads")
        if leads:
            return
        assert self.machines.leader() != name
        before = self.clients.count()
        wait(30, "confirms go on", lambda: self.clients.count() > before + 100)

    def full_disk_of_a_standby(self):
        name = self.standby()
        self.fill(name, leads=False)
        self.room(name)

    def full_disk_of_the_leader(self):
        name = self.leader()
        self.fill(name, leads=True)
        self.room(name)

    def room(self, name):
        self.machines.disks["node", name].make_room()
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
    helpers = ("standby", "lead_is_moved_to", "has_caught_up", "applied", "fill", "room")
    return [name for name, value in vars(DiskFaults).items() if callable(value) and name not in helpers and name[0] != "_"]
