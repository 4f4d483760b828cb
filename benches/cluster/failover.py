"""How long nothing is confirmed when something dies: the faults and the clients of conformance/cluster."""

import signal
import statistics

from clients import Clients
from faults import Faults, confirms_go_on, one
from machines import AMQP, NAMES, wait
from systems import Cluster

ALL = ["kill_leader", "terminate_leader"]
# What RabbitMQ has not.
NATS = ["move", "kill_log_leader", "kill_machine"]


class NodeFaults(Faults):
    """Those of nodes alone: after each, all are started again and have caught up."""

    def terminate_leader(self):
        self.nodes[self.leader()].end(signal.SIGTERM)

    def heal(self):
        self.machines.start_nodes()


def of_one(system, rounds, note):
    """Each fault's times."""
    is_coney = isinstance(system, Cluster) and bool(system.nats)
    faults = (Faults if is_coney else NodeFaults)(system)
    arguments = None if is_coney else {"x-queue-type": "quorum"}
    clients = Clients([(system.address(name), AMQP) for name in NAMES], arguments=arguments)
    clients.start()
    confirms_go_on(clients)
    wait(60, "all nodes are there", lambda: len(system.views()) == len(NAMES))
    gaps = {}
    for _ in range(rounds):
        for name in ALL + NATS * is_coney:
            gaps.setdefault(name, []).append(one(system, clients, faults, name))
    clients.finish()
    lost = clients.ledger.confirmed - clients.ledger.delivered
    note(f"{system.title}: {len(clients.ledger.confirmed)} confirmed, {len(lost)} lost")
    assert not lost, sorted(lost)[:10]
    return gaps


def run(kinds, rounds, with_system, note):
    print("| seconds without a confirm | | median | least | most |\n|---|---|---:|---:|---:|")
    for kind in kinds:
        for name, gaps in with_system(kind, lambda system: of_one(system, rounds, note)).items():
            print(f"| {kind.title} | {name} | {statistics.median(gaps):.1f} | {min(gaps):.1f} | {max(gaps):.1f} |", flush=True)
