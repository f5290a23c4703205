"""A Debian arm64 userland in a folder, and programs run in it as on a board.

What is mounted lies in a mount namespace of this process, and is gone with it.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from boards import BOARDS, Board, cpuinfo, write_sys
from needs import KEYRING, QEMU, Release, is_arm, mirror

USER = 1000
HOME = "/home/pi"
_CLONE_NEWNS = 0x20000  # linux/sched.h
# the start of an arm64 ELF file and which of its bits count, as qemu's own packages register it
_MAGIC = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# Debian's qemu takes the first argument for the program's own name when it is called so
_KEEPS_NAME = Path("/usr/libexec/qemu-binfmt/aarch64-binfmt-P")


class Failed(Exception):
    """A command that ended badly, with what it printed."""


def keep_mounts_to_ourselves() -> None:
    """From now on, what this process mounts is seen by it and its children alone."""
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare came with Python 3.12
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise Failed(f"no mount namespace of one's own: {os.strerror(ctypes.get_errno())}; a container needs SYS_ADMIN")
    call(["mount", "--make-rprivate", "/"])


def call(command: list[str], **options: object) -> str:
    """Run, and give what it printed. Raises Failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def emulator() -> str:
    """For people: "qemu-user 7.2"."""
    if is_arm():
        return "no emulation"
    found = re.search(r"version (\d+\.\d+)", call([QEMU[0], "--version"]))
    return f"qemu-user {found[1] if found else 'of unknown version'}"


@contextmanager
def arm_programs() -> Iterator[None]:
    """While inside, the kernel starts arm64 programs with qemu, also those that other arm64 programs start."""
    if is_arm():
        yield
        return
    folder = Path(mkdtemp(prefix="binfmt-"))
    name = f"emulated-pi-{os.getpid()}"
    call(["mount", "-t", "binfmt_misc", "binfmt_misc", str(folder)])
    try:
        if _KEEPS_NAME.exists():
            program, flags = str(_KEEPS_NAME), "OPF"
        else:
            program, flags = str(shutil.which(QEMU[0])), "OF"
        # F: the kernel opens qemu now, so that the userland need not hold a copy
        (folder / "register").write_text(f":{name}:M::{_MAGIC}:{_MASK}:{program}:{flags}")
        yield
    finally:
        with suppress(OSError):  # only there if it was registered
            (folder / name).write_text("-1")
        call(["umount", str(folder)])
        folder.rmdir()


def make(release: Release, folder: Path, archive: str | None, log: Path) -> None:
    """Fill ``folder`` with a minimal userland and Python. All of it or nothing; ``log`` gets debootstrap's output."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--arch=arm64", "--variant=minbase", "--include=python3,python3-venv"]
    command += [f"--keyring=/{KEYRING}", "--force-check-gpg", release.name, str(partial), archive or str(mirror())]
    with log.open("w") as lines:
        done = subprocess.run(command, stdout=lines, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Failed(f"debootstrap ended with {done.returncode}; {log} ends with:\n" + "".join(_last(log)))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _last(log: Path, count: int = 8) -> list[str]:
    return log.read_text(errors="replace").splitlines(keepends=True)[-count:]


class Userland:
    """The userland in ``root``, mounted, with an ordinary user's empty home and the first board's processor."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / HOME.lstrip("/")
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        os.chown(self.home, USER, USER)
        self._mount()
        self.become(BOARDS[0])

    def become(self, board: Board) -> None:
        """Play another board from now on."""
        self.board = board
        if not is_arm():
            (self.root / "run/cpuinfo").write_text(cpuinfo(board))

    def run(self, *command: str, user: int = USER) -> str:
        """Run in the home folder and give what was printed. Raises Failed."""
        enter = ["chroot", f"--userspec={user}:{user}", f"--groups={user}", str(self.root)]
        within = ["/bin/sh", "-c", f'cd {HOME} && exec "$@"', "sh", *command]
        # nothing of this machine's environment but what a login there would set
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": HOME, "LANG": "C.UTF-8"}
        if not is_arm():
            environment["QEMU_CPU"] = self.board.cpu
        return call([*enter, *within], env=environment)

    def _mount(self) -> None:
        place = str(self.root)
        call(["mount", "-t", "proc", "proc", f"{place}/proc"])
        for name in ("sys", "run", "dev/bus"):
            (self.root / name).mkdir(exist_ok=True)
            call(["mount", "-t", "tmpfs", "-o", "mode=755", "none", f"{place}/{name}"])
        if not is_arm():
            write_sys(self.root / "sys")
            (self.root / "run/cpuinfo").touch()
            call(["mount", "--bind", f"{place}/run/cpuinfo", f"{place}/proc/cpuinfo"])
