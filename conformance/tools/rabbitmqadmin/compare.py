"""Our rabbitmqadmin against RabbitMQ's: `compare.py PROGRAM CONEY-BINARY HTTP-URL`. PROGRAM is the Python script, whose lines are in
`lines`, or the Rust program, whose lines are in `lines-2`. Of the latter's tables the cells are compared, not the lines around them.

Each line is run by both against one broker, each in a virtual host of its own, so that both find and leave the same.
What they print, what they say on standard error and their exit status have to be the same. `VHOST` in a line stands for the virtual
host, `FILE` for a file of its own. A line that begins with `~` may say something else on standard error, where the Python program shows a
traceback or ours says more; one that begins with `!` is where ours is right and the Python program is not, and only the exit status
of ours, 0, is looked at. `<TEXT` at the end is standard input.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile

from support import COMMAND_S, host_and_port, own_vhost

TEXT_MAX = 10_000  # of a file that is compared
HERE = os.path.dirname(os.path.abspath(__file__))
FRAME = re.compile("[─-╿|+:. -]*")


class Program:
    def __init__(self, command, base, vhost, other, folder):
        host, port = host_and_port(base)
        self.command = command
        self.vhosts = (vhost, other)
        self.places = {"VHOST": vhost, "FILE": os.path.join(folder, vhost), "HOST": host, "PORT": str(port)}
        self.environment = {**os.environ, "HOME": folder, "CONEY_CONTROL_SOCKET": "none", "PYTHONWARNINGS": "ignore"}

    def run(self, line):
        """Standard output, standard error and exit status, with placeholders for what differs."""
        line, _, text = line.partition(" <")
        words = [self.filled(word) for word in shlex.split(line)]
        done = subprocess.run([*self.command, *words], input=text, capture_output=True, text=True, timeout=COMMAND_S,
                              env=self.environment)
        return [self.blank(done.stdout), self.blank(done.stderr), done.returncode]

    def filled(self, word):
        for name, value in self.places.items():
            word = word.replace(name, value)
        return word

    def blank(self, text):
        text = text.replace(self.places["FILE"], "FILE")
        for vhost in self.vhosts:
            text = text.replace(vhost, "VHOST")
        return text

    def written(self):
        """What the last line wrote into its file, if anything."""
        if not os.path.exists(self.places["FILE"]):
            return None
        with open(self.places["FILE"], "rb") as file:
            return self.blank(file.read().decode())[:TEXT_MAX]


def cells(text):
    """The cells of a table's rows, without what stands around them; other lines as they are."""
    rows = [[cell.strip() for cell in re.split("[│|]", line.strip("│| "))] for line in text.splitlines() if not FRAME.fullmatch(line)]
    return [row for row in rows if any(row)]


def compare(line, theirs, ours, seen=str):
    """What differs, as text."""
    rule, line = (line[0], line[1:]) if line[0] in "~!" else ("", line)
    expected, found = [*theirs.run(line), theirs.written()], [*ours.run(line), ours.written()]
    if rule == "!":
        return None if found[2] == 0 else f"{line}\n  ends with {found[2]}: {found[1]}"
    if rule == "~":
        expected[1] = found[1] = ""
    expected[0], found[0] = seen(expected[0]), seen(found[0])
    if expected == found:
        return None
    names = ("standard output", "standard error", "exit status", "file")
    lines = [f"  {name}: {wanted!r}, and ours: {got!r}"
             for name, wanted, got in zip(names, expected, found) if wanted != got]
    return "\n".join([line, *lines])


def main(program, binary, base):
    with open(program, "rb") as file:
        is_python = file.read(2) == b"#!"
    with open(os.path.join(HERE, "lines" if is_python else "lines-2")) as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    with own_vhost(base, "a") as one, own_vhost(base, "b") as other, tempfile.TemporaryDirectory() as folder:
        theirs = Program([sys.executable, program] if is_python else [program], base, one, other, folder)
        ours = Program([binary, "rabbitmqadmin"], base, other, one, folder)
        differences = [difference for line in lines if (difference := compare(line, theirs, ours, str if is_python else cells))]
    if differences:
        raise SystemExit("\n".join([*differences, f"rabbitmqadmin: {len(differences)} of {len(lines)} lines differ"]))
    print(f"rabbitmqadmin of Coney: {len(lines)} lines as {'the Python script' if is_python else 'the Rust program'}'s")


if __name__ == "__main__":
    main(*sys.argv[1:])
