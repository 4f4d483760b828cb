"""Three compose projects as people have them, with nothing but the broker's image changed: Celery with Flower, NestJS, and Java with a listener
that retries. `compose.py WORK-DIR`.

Their own services need Python, Node and Java, and no image is pulled: they run in an empty image with this machine's /usr mounted.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from containers import docker

HERE = pathlib.Path(__file__).parent / "compose"
PROJECT_S = 240


def workbench():
    """An image with nothing but links to where this machine's programs are mounted."""
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for name in ["bin", "sbin", "lib", "lib64"]:
            (root / name).symlink_to(f"usr/{name}")
        for name in ["usr", "etc", "tmp", "proc", "sys", "dev", "project", "work", "python"]:
            (root / name).mkdir()
        (root / "tmp").chmod(0o1777)
        tar = subprocess.run(["tar", "-C", directory, "-c", "."], capture_output=True, check=True).stdout
        subprocess.run(["docker", "import", "-", "workbench"], input=tar, capture_output=True, check=True)


def python_home():
    """Where Python is, if that is not mounted already."""
    return "/srv" if sys.base_prefix.startswith("/usr") else sys.base_prefix


def run(name, work):
    environment = {**os.environ, "PROJECT": str(HERE / name), "WORK": work, "PYTHON": python_home(), "BROKER_IMAGE": "coney"}
    compose = ["docker-compose", "--project-name", name, "--file", str(HERE / name / "docker-compose.yml")]
    up = [*compose, "up", "--no-color", "--abort-on-container-exit", "--exit-code-from", "check"]
    try:
        done = subprocess.run(up, env=environment, capture_output=True, text=True, timeout=PROJECT_S)
    finally:
        subprocess.run([*compose, "down", "--volumes", "--timeout", "2"], env=environment, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"{name}: status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
    said = [line.split("|", 1)[1].strip() for line in done.stdout.splitlines() if line.startswith("check") and "|" in line]
    print(f"compose: {name}: {said[-1]}", flush=True)


def main(work):
    docker("version")
    workbench()
    for name in ["celery", "nest", "java"]:
        run(name, work)


if __name__ == "__main__":
    main(sys.argv[1])
