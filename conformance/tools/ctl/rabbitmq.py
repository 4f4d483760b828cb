"""RabbitMQ 4's own command line tools, in the folder where the peer's script installed it."""

import io
import os
import pathlib
import subprocess
import zipfile

CACHE = pathlib.Path(os.environ.get("RABBIT_CACHE", pathlib.Path.home() / ".cache/coney-rabbitmq-4"))
HOME = pathlib.Path("/usr/lib/rabbitmq/lib")
TOOLS = pathlib.Path("/tmp/coney-ctl-tools")
MARK = "\n\x01"


def prepare(batch):
    """Unpacks the tools and compiles `batch`, once. Answers the version's directory inside the folder."""
    home = next(path for path in (CACHE / HOME.relative_to("/")).glob("rabbitmq_server-4*"))
    tools = CACHE / TOOLS.relative_to("/")
    tools.mkdir(parents=True, exist_ok=True)
    archive = (home / "escript" / "rabbitmqctl").read_bytes()
    zipfile.ZipFile(io.BytesIO(archive[archive.index(b"PK\x03\x04"):])).extractall(tools)
    (tools / "batch.erl").write_bytes(batch.read_bytes())
    inside(["erlc", "-o", str(TOOLS), str(TOOLS / "batch.erl")], check=True)
    return HOME / home.name


def inside(command, **settings):
    """Runs a command in the folder."""
    return subprocess.run(["chroot", str(CACHE), "/usr/bin/env", "PATH=/usr/bin:/bin", "HOME=/root", *command], **settings)


def run(lines, base, port, batch):
    """What the tools answer to each line: exit code, standard output, standard error."""
    home = prepare(batch)
    tools = CACHE / TOOLS.relative_to("/")
    (tools / "lines").write_text("\n".join("\t".join(words) for words in lines) + "\n")
    plugins = home / "plugins"
    settings = {
        "RABBITMQ_NODENAME": f"peer{port}@localhost", "ERL_EPMD_ADDRESS": "127.0.0.1", "LANG": "C.UTF-8",
        "RABBITMQ_HOME": home, "PLUGINS_DIR": plugins, "RABBITMQ_PLUGINS_DIR": plugins, "ERL_LIBS": plugins,
        "RABBITMQ_MNESIA_BASE": f"{base}/mnesia", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/enabled_plugins",
    }
    paths = [word for folder in sorted(tools.glob("*/ebin")) for word in ("-pa", TOOLS / folder.relative_to(tools))]
    rabbit = next((CACHE / plugins.relative_to("/")).glob("rabbit-4*"))
    erl = ["erl", "-noinput", "-hidden", "-boot", "no_dot_erlang", "+fnu", *paths, "-pa", TOOLS,
           "-pa", plugins / rabbit.name / "ebin", "-s", "batch", "main", "-extra", "rabbitmqctl", TOOLS / "lines"]
    ended = inside([f"{name}={value}" for name, value in settings.items()] + [str(word) for word in erl],
                   capture_output=True, stdin=subprocess.DEVNULL)
    printed, said = split(ended.stdout), split(ended.stderr)
    if len(printed) != len(lines) or len(said) != len(lines):
        raise SystemExit(f"RabbitMQ's tools stopped after {len(printed)} of {len(lines)} lines:\n{ended.stderr.decode()[-2000:]}")
    return [(code, out, err) for (out, code), (err, _) in zip(printed, said)]


def split(stream):
    """The answers, each with its exit code."""
    answers, rest = [], stream.decode("utf8", "replace")
    while MARK in rest:
        answer, _, rest = rest.partition(MARK)
        code, _, rest = rest.partition("\n")
        answers.append((answer, code))
    return answers
