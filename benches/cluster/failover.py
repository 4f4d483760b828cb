"""How long nothing is confirmed when something dies: the faults and the clients of conformance/cluster."""

import statistics

from clients import Clients
from faults import Faults, confirms_go_on, one
from machines import AMQP, NAMES, wait
from systems import Cluster

# What is in NATS RabbitMQ has not.
FAULTS = ["kill_leader", "terminate_leader", "move", "kill_log_leader", "kill_machine", "cut_leader_off"]
OF_RABBITMQ = ["kill_leader", "terminate_leader", "cut_leader_off"]


def gaps_of(system, fault, rounds):
    """One fault again and again: its times, and how many messages are lost at the end, or why nobody knows."""
    faults = Faults(system)
    arguments = None if system.nats else {"x-queue-type": "quorum"}
    clients = Clients([(system.address(name), AMQP) for name in NAMES], arguments=arguments)
    clients.start()
    confirms_go_on(clients)
    wait(60, "all nodes are there", lambda: len(system.views()) == len(NAMES))
    gaps = []
    try:
        for _ in range(rounds):
            gaps.append(one(system, clients, faults, fault))
        clients.finish()
    except AssertionError as why:
        return gaps, f"unknown: {why}"
    return gaps, len(clients.ledger.confirmed - clients.ledger.delivered)


def times_of(kind, fault, rounds, with_system):
    """A machine that was cut off may take long until it has all again: the next round of that is with other ones."""
    fresh, each = (rounds, 1) if fault == "cut_leader_off" else (1, rounds)
    found = [with_system(kind, lambda system: gaps_of(system, fault, each)) for _ in range(fresh)]
    return [gap for gaps, _ in found for gap in gaps], ", ".join(str(lost) for _, lost in found)


def run(kinds, faults, rounds, with_system):
    print("| seconds without a confirm | | median | least | most | lost |\n|---|---|---:|---:|---:|---:|")
    for kind in kinds:
        for fault in faults:
            if kind is Cluster or fault in OF_RABBITMQ:
                gaps, lost = times_of(kind, fault, rounds, with_system)
                times = [statistics.median(gaps), min(gaps), max(gaps)] if gaps else []
                print(" | ".join([f"| {kind.title}", fault, *(f"{time:.1f}" for time in times), f"{lost} |"]), flush=True)
