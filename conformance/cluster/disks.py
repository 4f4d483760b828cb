"""A disk of its own for each node and each nats-server: an ext4 on a loop device, which can be frozen, filled, and lose its power."""

import fcntl
import os
import struct
import subprocess
import tempfile
from pathlib import Path

SIZE_MB = 1024
# Since Linux 4.17. Without the flush of the journal it is a power cut: what was not synced is gone.
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


def sh(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Disk:
    def __init__(self, folder, name):
        self.image, self.place, self.filler = folder / f"{name}.img", folder / name, folder / name / "filler"
        self.place.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(SIZE_MB << 20)
        sh("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image))
        self.mount()

    def mount(self):
        sh("mount", "-o", "loop", str(self.image), str(self.place))

    def unmount(self):
        sh("umount", str(self.place))

    def freeze(self, *, is_frozen):
        sh("fsfreeze", "-f" if is_frozen else "-u", str(self.place))

    def fill(self):
        """To the last block."""
        with open(self.filler, "wb") as filler:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        os.write(filler.fileno(), bytes(size))
                        os.fsync(filler.fileno())
                except OSError:
                    pass

    def make_room(self):
        self.filler.unlink(missing_ok=True)

    def cut_power(self):
        """Nothing more is written. Whoever has it open has to end before it is mounted again."""
        root = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(root)

    def close(self):
        subprocess.run(["fsfreeze", "-u", str(self.place)], capture_output=True)
        subprocess.run(["umount", "-l", str(self.place)], capture_output=True)


def missing():
    """Why there can be no such disks here, if there cannot."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = Disk(Path(folder), "trial")
        except (OSError, RuntimeError) as error:
            return str(error)
        disk.close()
    return None
