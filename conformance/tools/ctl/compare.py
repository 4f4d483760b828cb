#!/usr/bin/env python3
"""Gives the same command lines to Coney's tools and to RabbitMQ's, on brokers that were prepared alike, and compares exit codes, what is
printed, and whether anything is said on standard error. Differences that are known stand in known.json with their reasons; any other
fails, and so does an entry that nothing needs any more.

    compare.py PEER-PORT PEER-BASE CONEY-BINARY WORK-DIR
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import prepare
import rabbitmq

HERE = pathlib.Path(__file__).parent
AMQP, HTTP = 5687, 15687
TOOLS = ["rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-plugins", "rabbitmq-queues", "rabbitmq-upgrade"]


def lines(port):
    """The command lines, as words."""
    texts = [line.strip() for line in (HERE / "commands").read_text().splitlines()]
    return [shlex.split(text.replace("@AMQP@", str(port))) for text in texts if text and not text.startswith("#")]


def of_rabbitmq(port, base):
    with prepare.prepared(port, port + 10000):
        return rabbitmq.run(lines(port), base, port, HERE / "batch.erl")


def of_coney(binary, work):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CONEY_", "RABBITMQ_"))}
    environment |= {"CONEY_DATA_DIR": f"{work}/data", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{work}/enabled_plugins"}
    for tool in TOOLS:
        (work / tool).symlink_to(binary)
    (work / "enabled_plugins").write_text("[rabbitmq_management].\n")
    addresses = ["--amqp", f"127.0.0.1:{AMQP}", "--http", f"127.0.0.1:{HTTP}", "--metrics", "none"]
    broker = subprocess.Popen([binary, *addresses], env=environment, cwd=work, stdout=subprocess.PIPE,
                              stderr=(work / "log").open("w"), text=True)
    try:
        if not any(line.startswith("Coney ") for line in broker.stdout):
            raise SystemExit("Coney did not start:\n" + (work / "log").read_text())
        with prepare.prepared(AMQP, HTTP):
            return [one(words, environment, work) for words in lines(AMQP)]
    finally:
        broker.terminate()
        broker.wait()


def one(words, environment, work):
    ended = subprocess.run([work / words[0], *words[1:]], env=environment, cwd=work, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=30)
    return str(ended.returncode), ended.stdout, ended.stderr


def plain(text, port):
    """What is printed, without what is a broker's own and without an order where there is none."""
    for pattern, stands_for in [
        (rf"peer{port}@localhost|rabbit@[\w-]+", "NODE"), (rf"\b{port}\b", "AMQP"), (rf"\b{port + 10000}\b", "HTTP"),
        (r"<NODE[^>]*>", "PID"), (r"rabbitmq-cluster-id-[\w-]+", "ID"), (r"(127\.0\.0\.1\t)\d{5}\b", r"\1PORT"),
    ]:
        text = re.sub(pattern, stands_for, text)
    try:
        value = json.loads(text)
        return sorted(map(json.dumps, value)) if isinstance(value, list) else value
    except ValueError:
        return sorted(line.rstrip() for line in text.splitlines() if line.strip())


def differences(theirs, ours, port):
    """Which of the three differ, and how."""
    found = {}
    if theirs[0] != ours[0]:
        found["code"] = f"exit code {theirs[0]} and {ours[0]}"
    if plain(theirs[1], port) != plain(ours[1], AMQP):
        found["printed"] = f"printed:\n--- RabbitMQ\n{theirs[1].strip()}\n--- Coney\n{ours[1].strip()}"
    if bool(theirs[2].strip()) != bool(ours[2].strip()):
        found["said"] = f"said: {theirs[2].strip()!r} and {ours[2].strip()!r}"
    return found


def main():
    port, base, binary, work = int(sys.argv[1]), sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
    known = [(re.compile(entry["lines"]), entry) for entry in json.loads((HERE / "known.json").read_text())]
    needed, failed, same = set(), 0, 0
    for words, theirs, ours in zip(lines(AMQP), of_rabbitmq(port, base), of_coney(binary, work)):
        line = shlex.join(words)
        found = differences(theirs, ours, port)
        for index, (pattern, entry) in enumerate(known):
            if pattern.fullmatch(" ".join(words)):
                explained = [kind for kind in entry["differs"] if found.pop(kind, None)]
                needed.update((index, kind) for kind in explained)
        if found:
            failed += 1
            print(f"$ {line}\n" + "\n".join(found.values()) + "\n")
        else:
            same += 1
    for index, (pattern, entry) in enumerate(known):
        for kind in entry["differs"]:
            if (index, kind) not in needed:
                failed += 1
                print(f"known.json: nothing needs {kind} of {pattern.pattern!r} ({entry['why']})")
    print(f"{same} lines alike or explained, {failed} unexplained differences")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
