"""One fault after the other, and what came of it.

    faults.py [--rounds N] [--only NAME..] [--seed N]

Checked: every confirmed message was delivered or is there; nothing that was acked a while before a fault came again; after each fault
confirms go on; no process ends that was not ended; at the end all nodes have applied the same.
"""

import argparse
import random
import signal
import tempfile
import time

from clients import Clients
from disk_faults import DiskFaults, disk_faults
from disks import missing
from machines import AMQP, BINARY, CLIENT, HTTP, NAMES, PEER, Machines, sh, wait

# A fault may take so long before confirms go on.
RECOVERS_S = 60
# Confirms need not go on before these are over. A server that hears others and is not heard keeps NATS from electing anybody
# (2.15.1): the two others need it to fall silent.
STOPS_ALL = ("kill_all", "leader_is_not_heard", "power_cut")


class Faults(DiskFaults):
    """Each does something and undoes it; confirms have to go on by themselves after."""

    def __init__(self, machines, clients):
        self.machines, self.nodes, self.nats, self.clients = machines, machines.nodes, machines.nats, clients

    def leader(self):
        return wait(30, "somebody leads", self.machines.leader)

    def kill_leader(self):
        self.nodes[self.leader()].end()

    def kill_standby(self):
        self.nodes[random.choice([name for name in NAMES if name != self.leader()])].end()

    def terminate_leader(self):
        self.nodes[self.leader()].end(signal.SIGTERM)

    def move(self):
        leader = self.leader()
        other = random.choice([name for name in NAMES if name != leader])
        url = f"http://{self.machines.address(random.choice(NAMES))}:{HTTP}"
        sh(BINARY, "cluster", "move", other, "--url", url, "-u", "guest", "-p", "guest")
        wait(15, f"{other} leads", lambda: self.machines.leader() == other)

    def kill_log_leader(self):
        self.nats[wait(30, "a server leads the log", self.machines.log_leader)].end()

    def kill_machine(self):
        """The machine that has the log's leader, and its node."""
        name = wait(30, "a server leads the log", self.machines.log_leader)
        self.nats[name].end()
        self.nodes[name].end()

    def kill_all(self):
        for process in [*self.nodes.values(), *self.nats.values()]:
            process.end()

    def stop_leader(self):
        """It stands still for 10 s, and goes on as if nothing had been."""
        node = self.nodes[self.leader()]
        node.send(signal.SIGSTOP)
        time.sleep(10)
        node.send(signal.SIGCONT)

    def stop_log_leader(self):
        server = self.nats[wait(30, "a server leads the log", self.machines.log_leader)]
        server.send(signal.SIGSTOP)
        time.sleep(10)
        server.send(signal.SIGCONT)

    def cut_leader_off(self):
        """From everybody, its clients too."""
        self.machines.network.cut_off(self.leader())
        time.sleep(10)

    def cut_leader_off_from_the_log(self):
        """Clients still reach it."""
        leader = self.leader()
        self.nats[leader].end()
        self.machines.network.cut_off(leader, ports=[CLIENT])
        time.sleep(10)

    def cut_leader_off_from_clients(self):
        """It goes on to lead, and others' clients reach it through other nodes."""
        self.machines.network.cut_off(self.leader(), ports=[AMQP])
        time.sleep(8)

    def leader_hears_nothing(self):
        self.machines.network.cut_off(self.leader(), outgoing=False)
        time.sleep(10)

    def leader_is_not_heard(self):
        self.machines.network.cut_off(self.leader(), incoming=False)
        time.sleep(10)

    def flapping(self):
        """Whoever leads is cut off for two seconds of four."""
        for _ in range(5):
            self.machines.network.cut_off(self.machines.leader() or random.choice(NAMES))
            time.sleep(2)
            self.machines.network.heal()
            time.sleep(2)

    def peers_cut_off(self):
        """Nodes do not reach each other's peer port: who is not at the leader has no leader."""
        for name in NAMES:
            self.machines.network.cut_off(name, ports=[PEER])
        time.sleep(8)

    def heal(self):
        self.machines.network.heal()
        self.machines.start_nodes()


def all_faults():
    return process_faults() + disk_faults()


def process_faults():
    return [name for name, value in vars(Faults).items() if callable(value) and name not in ("__init__", "leader", "heal")]


def confirms_go_on(clients):
    """Until some more were confirmed."""
    begin, before = time.monotonic(), len(clients.ledger.confirmed)
    while len(clients.ledger.confirmed) < before + 100:
        clients.assert_running()
        if time.monotonic() > begin + RECOVERS_S:
            raise AssertionError(f"no confirms within {RECOVERS_S} s")
        time.sleep(0.05)


def one(machines, clients, faults, name):
    """The longest time without a confirm."""
    ledger = clients.ledger
    time.sleep(2)
    begin, before = time.monotonic(), len(ledger.confirmed)
    ledger.fault()
    getattr(faults, name)()
    # Others do without what is gone.
    if name not in STOPS_ALL:
        confirms_go_on(clients)
    faults.heal()
    ledger.fault()
    confirms_go_on(clients)
    end = time.monotonic()
    gap = ledger.gap(begin, end)
    print(f"{name}: {gap:.1f} s without a confirm, {len(ledger.confirmed) - before} confirmed in {end - begin:.0f} s, "
          f"then {machines.leader()} leads", flush=True)
    machines.assert_running()
    wait(60, "all nodes are heard", lambda: len(machines.views()) == len(NAMES))
    assert not ledger.wrong, ledger.wrong[:5]
    return gap


def run(machines, clients, names, rounds):
    faults, ledger, gaps = Faults(machines, clients), clients.ledger, {}
    clients.start()
    confirms_go_on(clients)
    for _ in range(rounds):
        for name in names:
            gaps.setdefault(name, []).append(one(machines, clients, faults, name))
    clients.finish()
    mark = wait(30, "all nodes have applied the same", machines.applied)
    lost = ledger.confirmed - ledger.delivered
    for name, times in gaps.items():
        print(f"{name}: median {sorted(times)[len(times) // 2]:.1f} s, longest {max(times):.1f} s")
    print(f"{len(names) * rounds} faults, {len(ledger.confirmed)} confirmed, {len(lost)} lost, {len(ledger.wrong)} came again "
          f"though acked before, {ledger.again} came again, all nodes at frame {mark}")
    assert not lost, sorted(lost)[:10]
    assert not ledger.wrong, ledger.wrong[:5]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=all_faults(), default=all_faults())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="a folder for data and logs, which are kept there")
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        needing = [name for name in options.only if name in disk_faults()]
        why = missing() if needing else None
        if why:
            print(f"skipped, disks of their own cannot be made here ({why}): {', '.join(needing)}")
            options.only = [name for name in options.only if name not in needing]
        machines = Machines(options.keep or folder, has_disks=bool(needing) and not why)
        try:
            machines.start()
            clients = Clients([(machines.address(name), AMQP) for name in NAMES])
            run(machines, clients, options.only, options.rounds)
        finally:
            machines.close()


if __name__ == "__main__":
    main()
