"""A file system in RAM that remembers what was made durable, to simulate power cuts.

Every file and folder has a current side and a durable one: ``fsync`` of a file copies its content over, ``fsync`` of a
folder its names, and nothing else does. A cut exports what survives into a plain folder, ``strict`` (only what is
durable) or ``random`` (each unsynced page, length and name on its own old or new, as a disk may have got to it). It
can also be full. Run as a process on a mount point; ``Mount`` does that, and needs libfuse3 and /dev/fuse.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PAGE = 4096
LIBRARY = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/libfuse3.so.3")


class Node:
    """One file or folder. ``names`` is None for a file."""

    numbers = itertools.count(1)

    def __init__(self, folder: bool, mode: int) -> None:
        self.number = next(self.numbers)
        self.mode = mode
        self.data, self.durable = bytearray(), bytearray()
        self.dirty: set[int] = set()
        self.names: dict[str, Node] | None = {} if folder else None
        self.durable_names: dict[str, Node] = {}
        self.time = time.time_ns()

    def sync(self) -> None:
        if self.names is not None:
            self.durable_names = dict(self.names)
            return
        resize(self.durable, len(self.data))
        for page in self.dirty:
            self.durable[page * PAGE : (page + 1) * PAGE] = self.data[page * PAGE : (page + 1) * PAGE]
        self.dirty.clear()

    def survives(self, to: Path, chance: random.Random | None) -> None:
        """Write what is left of this node after a cut to a plain path."""
        if self.names is None:
            to.write_bytes(self._content(chance))
            return
        to.mkdir(exist_ok=True)
        for name in sorted({*self.durable_names, *self.names}):
            old, new = self.durable_names.get(name), self.names.get(name)
            node = old if chance is None or chance.random() < 0.5 else new
            if node is not None:
                node.survives(to / name, chance)

    def _content(self, chance: random.Random | None) -> bytes:
        if chance is None:
            return bytes(self.durable)
        out = bytearray(self.durable)
        resize(out, len(self.data) if chance.random() < 0.5 else len(out))
        for page in sorted(self.dirty):
            if page * PAGE < len(out) and chance.random() < 0.5:
                new = self.data[page * PAGE : (page + 1) * PAGE][: len(out) - page * PAGE]
                out[page * PAGE : page * PAGE + len(new)] = new
        return bytes(out)


def resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


class CutFS:
    """The operations libfuse calls, by path or by handle."""

    use_ns = True

    def __init__(self) -> None:
        self.root = Node(True, 0o755)
        self.open_nodes: dict[int, Node] = {}
        self.handles = itertools.count(1)
        self.room: int | None = None  # bytes that may still be written, None for no end

    def find(self, path: str) -> Node:
        node = self.root
        for name in path.strip("/").split("/") if path != "/" else ():
            if node.names is None or name not in node.names:
                raise OSError(errno.ENOENT, path)
            node = node.names[name]
        return node

    def place(self, path: str) -> tuple[dict[str, Node], str]:
        folder, _, name = path.rpartition("/")
        names = self.find(folder or "/").names
        assert names is not None
        return names, name

    def need(self, size: int) -> None:
        if self.room is not None:
            if size > self.room:
                raise OSError(errno.ENOSPC, "full")
            self.room -= size

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, int]:
        node = self.open_nodes[fh] if fh in self.open_nodes else self.find(path or "")
        kind = stat.S_IFREG if node.names is None else stat.S_IFDIR
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), node.time)
        size = {"st_size": len(node.data), "st_blocks": -(-len(node.data) // 512), "st_ino": node.number}
        return {
            "st_mode": kind | node.mode,
            "st_nlink": 1,
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
            **times,
            **size,
        }

    def readdir(self, path: str, _fh: int) -> list[str]:
        return [".", "..", *(self.find(path).names or ())]

    def statfs(self, _path: str) -> dict[str, int]:
        free = 1 << 20 if self.room is None else self.room // PAGE
        return {"f_bsize": PAGE, "f_frsize": PAGE, "f_blocks": 1 << 20, "f_bfree": free, "f_bavail": free}

    def opened(self, node: Node) -> int:
        handle = next(self.handles)
        self.open_nodes[handle] = node
        return handle

    def make(self, path: str, folder: bool, mode: int) -> Node:
        self.need(PAGE if folder else 256)
        names, name = self.place(path)
        node = names[name] = Node(folder, mode & 0o7777)
        return node

    def create(self, path: str, mode: int, _flags: int) -> int:
        return self.opened(self.make(path, False, mode))

    def mkdir(self, path: str, mode: int) -> int:
        self.make(path, True, mode)
        return 0

    def open(self, path: str, _flags: int) -> int:
        return self.opened(self.find(path))

    def opendir(self, path: str) -> int:
        return self.opened(self.find(path))

    def release(self, _path: str, fh: int) -> int:
        self.open_nodes.pop(fh, None)
        return 0

    releasedir = release

    def read(self, _path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self.open_nodes[fh].data[offset : offset + size])

    def write(self, _path: str, data: bytes, offset: int, fh: int) -> int:
        node = self.open_nodes[fh]
        self.need(max(0, offset + len(data) - len(node.data)))
        if offset > len(node.data):
            resize(node.data, offset)
        node.data[offset : offset + len(data)] = data
        self.touched(node, offset, offset + len(data))
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        node = self.open_nodes[fh] if fh in self.open_nodes else self.find(path)
        self.need(max(0, length - len(node.data)))
        before = len(node.data)
        resize(node.data, length)
        self.touched(node, min(before, length), max(before, length))
        return 0

    def touched(self, node: Node, start: int, end: int) -> None:
        node.dirty.update(range(start // PAGE, -(-end // PAGE)))
        node.time = time.time_ns()

    def unlink(self, path: str) -> int:
        names, name = self.place(path)
        del names[name]
        return 0

    rmdir = unlink

    def rename(self, old: str, new: str) -> int:
        (source, one), (target, two) = self.place(old), self.place(new)
        target[two] = source.pop(one)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self.find(path).mode = mode & 0o7777
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self.find(path).time = times[1] if times else time.time_ns()
        return 0

    def fsync(self, _path: str, _datasync: int, fh: int) -> int:
        self.open_nodes[fh].sync()
        return 0

    fsyncdir = fsync

    def setxattr(self, _path: str, name: str, value: bytes, _options: int, *_: int) -> int:
        """What the tests ask for: ``user.cut`` and ``user.room``."""
        asked: dict[str, Any] = json.loads(value)
        if name == "user.room":
            self.room = asked["room"]
        else:
            seed = asked["seed"]
            self.root.survives(Path(asked["to"]), None if seed is None else random.Random(seed))
        return 0


class Mount:
    """cutfs on a folder, in a process of its own. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Mount:
        self.folder.mkdir()
        environment = {**os.environ, "FUSE_LIBRARY_PATH": str(LIBRARY)}
        self._server = subprocess.Popen([sys.executable, "-P", __file__, str(self.folder)], env=environment)
        for _ in range(1000):
            if self.folder.is_mount() or self._server.poll() is not None:
                break
            time.sleep(0.01)
        assert self.folder.is_mount(), "cutfs could not be mounted"
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["fusermount3", "-u", "-z", str(self.folder)], check=False)
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def cut(self, to: Path, seed: int | None = None) -> Path:
        """What a power cut at this moment leaves, in a plain folder; ``seed`` for a random part of the unsynced."""
        os.setxattr(self.folder, "user.cut", json.dumps({"to": str(to), "seed": seed}).encode())
        return to

    def leave(self, room: int | None) -> None:
        """Let so many more bytes be written before the disk is full; None: as many as they like."""
        os.setxattr(self.folder, "user.room", json.dumps({"room": room}).encode())


def missing() -> str:
    """What this machine lacks for a mount, or nothing."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened; run as root, with the device in the container"
    if not LIBRARY.exists():
        return f"{LIBRARY} is not there; apt-get install fuse3 libfuse3-3"
    return ""


if __name__ == "__main__":
    import mfusepy

    mfusepy.FUSE(
        CutFS(), sys.argv[1], foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0, hard_remove=True
    )
