"""What a cluster does, beside one broker alone and beside RabbitMQ, with the same load on the same machine.

    figures.py [--rounds N] [--seconds S] [--only ROW..] [--without TITLE..] [--failover [--faults NAME..]] [--vhosts N] [--json FILE]

In each round each system in turn is started anew and measured while no other runs; the tables have the medians of all rounds. With
--failover: how long nothing was confirmed when something dies. With --vhosts: N vhosts beside one, with N load generators each.
"""

import argparse
import json
import os
import statistics
import sys
import time

import failover
from machines import NAMES
from rabbitmq import ROOT, RabbitMQ
from systems import Alone, Cluster, Sharded, load, outcome

COMMON = ["--persistent", "--confirm-times"]
ONE = [*COMMON, "--size", "1024", "--confirm-window", "1"]
MANY = [*COMMON, "--publishers", "8", "--queues", "4", "--confirm-window", "1000"]
NO_CONSUMERS = ["--publish-only"]
CONSUMERS = ["--ack-every", "1", "--prefetch", "1000"]
ROWS = {
    "alone": ("1 KiB, one at a time", [*ONE, *NO_CONSUMERS]),
    "alone-consumed": ("same, consumed and acked", [*ONE, *CONSUMERS]),
    "16": ("16 B, 8 publishers, window 1000, 4 queues", [*MANY, "--size", "16", *NO_CONSUMERS]),
    "16-consumed": ("same, 4 consumers, each acked", [*MANY, "--size", "16", "--consumers", "4", *CONSUMERS]),
    "1k": ("1 KiB, 8 publishers, window 1000, 4 queues", [*MANY, "--size", "1024", *NO_CONSUMERS]),
    "1k-consumed": ("same, 4 consumers, each acked", [*MANY, "--size", "1024", "--consumers", "4", *CONSUMERS]),
    "each": ("1 KiB, 100 publishers, one at a time each, 4 queues, 4 consumers",
             [*ONE, "--publishers", "100", "--queues", "4", "--consumers", "4", *CONSUMERS]),
}
PLACES = {"leader": "at the leader", "standby": "through another node"}


def note(*text):
    print(*text, file=sys.stderr, flush=True)


def measure(system, row, place, times):
    """One run of the load generator."""
    leads = system.leads()
    at = leads if place == "leader" else system.follows()
    watched = system.processes()
    options = [*ROWS[row][1], *system.quorum, "--declare-at", system.uri(leads), *times]
    before = system.moved()
    found = outcome(load(system.uri(at), options, watched))
    os.sync()
    sent, written = ((now - then) / found["published"] for now, then in zip(system.moved(), before))
    found["bytes"] = {"sent": sent, "written": written}
    cpu = {}
    for (what, _), us in zip(watched, found["watched_us"]):
        cpu.setdefault(what, []).append(us)
    # Of the standbys and of the nats-servers together.
    found["cpu_us"] = {what: sum(each) for what, each in cpu.items()}
    # Another would have been measured through another hop.
    assert system.leads() == leads, "another node leads"
    return found


def with_system(kind, work):
    """Starts one, and stops it whatever comes."""
    system = kind()
    try:
        system.start()
        settle()
        return work(system)
    finally:
        system.close()


def rows_of(options, kind):
    times = ["--seconds", str(options.seconds), "--warmup", "1"]

    def all_rows(system):
        found = {}
        for row in options.only:
            for place in ["leader", "standby"][: 1 + kind.has_standby]:
                one = found[f"{row} {place}"] = measure(system, row, place, times)
                note(f"{kind.title}: {row}, {PLACES[place]}: {one['confirmed']:.0f}/s, p50 {one['confirm_us']['p50']:.0f} us, CPU {one['cpu_us']}")
                settle()
        return found

    return with_system(kind, all_rows)


def settle():
    """What one run has left to write does not slow the next."""
    os.sync()
    time.sleep(1)


def median(rounds, key, *path):
    """Of the figure that each round has there."""
    values = []
    for found in rounds:
        for name in (key, *path):
            found = (found or {}).get(name)
        if found is not None:
            values.append(found)
    return statistics.median(values) if values else None


def shown(value, factor=1.0, digits=0):
    return "-" if value is None else f"{value * factor:,.{digits}f}"


def table(head, columns, rows, cell):
    """A row for each of the load's, and a column for each system and place."""
    print(f"\n| {head} | " + " | ".join(title for title, _, _ in columns) + " |\n|---|" + "---:|" * len(columns))
    for row in rows:
        cells = (cell(rounds, f"{row} {place}") for _, rounds, place in columns)
        print(f"| {ROWS[row][0]} | " + " | ".join(cells) + " |")


def times(rounds, key):
    p50, p99 = (median(rounds, key, "confirm_us", share) for share in ("p50", "p99"))
    return f"{shown(p50, 1e-3, 2)} / {shown(p99, 1e-3, 2)}"


def cpu(rounds, key):
    used = [median(rounds, key, "cpu_us", what) for what in ("leader", "standby", "nats")]
    return " / ".join(shown(each, 1, 1) for each in used if each is not None)


def moved(rounds, key):
    return " / ".join(shown(median(rounds, key, "bytes", what)) for what in ("sent", "written"))


def tables(results, rows):
    """The medians of all rounds."""
    columns = []
    for title, rounds in results.items():
        columns += [(title, rounds, "leader")] + [("through another", rounds, "standby")] * (f"{rows[0]} standby" in rounds[0])
    table("confirmed/s", columns, rows, lambda rounds, key: shown(median(rounds, key, "confirmed")))
    table("until the confirm, p50 / p99 in ms", columns, rows, times)
    table("CPU in us for a confirmed message: leader / other nodes together / nats-servers together", columns, rows, cpu)
    table("bytes for a message that the leader's machine sends / writes", columns, rows, moved)


def vhosts(options):
    """So many vhosts beside one: the same load generators, one for each vhost, or all of them for one; with shards, and with all led by one node."""
    times = ["--seconds", str(options.seconds), "--warmup", "2"]
    names = [f"v{number}" for number in range(options.vhosts)]
    plan = [*COMMON, "--publishers", "4", "--queues", "2", "--confirm-window", "1000", "--size", "1024"]
    results = {}

    def work(system):
        system.make_vhosts(names)
        for count, used in [("one vhost", names[:1] * len(names)), (f"{len(names)} vhosts", names)]:
            title = f"{system.title}: {count}"
            generators = [load(system.uri(NAMES[at % len(NAMES)], vhost), [*plan, *NO_CONSUMERS, *times]) for at, vhost in enumerate(used)]
            found = [outcome(generator)["confirmed"] for generator in generators]
            results.setdefault(title, []).append(sum(found))
            note(f"{title}: {sum(found):.0f}/s, {[round(rate) for rate in found]}")
            settle()

    for _ in range(options.rounds):
        for kind in (Cluster, Sharded):
            with_system(kind, work)
    print(f"\n| 1 KiB, {len(names)} generators of 4 publishers each, at any node | confirmed/s |\n|---|---:|")
    for title, rates in results.items():
        print(f"| {title} | {statistics.median(rates):,.0f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--failover", action="store_true")
    parser.add_argument("--faults", nargs="+", choices=failover.FAULTS, default=failover.FAULTS)
    parser.add_argument("--vhosts", type=int)
    parser.add_argument("--without", nargs="+", default=[], help="systems, by their titles")
    parser.add_argument("--json", help="a file for all that was measured")
    options = parser.parse_args()
    kinds = [kind for kind in [Cluster, Alone] + [RabbitMQ] * (ROOT is not None) if kind.title not in options.without]
    if options.vhosts:
        return vhosts(options)
    if options.failover:
        clusters = [kind for kind in kinds if kind.has_standby]
        return failover.run(clusters, options.faults, options.rounds, with_system)
    results = {kind.title: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind in kinds:
            results[kind.title].append(rows_of(options, kind))
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump(results, file, indent=1)
    tables(results, options.only)


if __name__ == "__main__":
    main()
