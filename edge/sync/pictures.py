"""Pictures on their way: in parts, so that a bad link loses little and memory holds one part, and checked by sha256."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from edge.errors import NotFound, RemoteRefused, StoreCorrupt
from edge.store.failures import translated
from edge.store.files import make_folder, sync_folders
from edge.sync.remotes.base import PAGE, PART
from edge.sync.transfer import Transfer

BLOBS = "edge/1/blobs/"


class Altered(RemoteRefused):
    """What a remote holds is not what was sent there."""


Moved = Callable[[int], None]
"""Called with the bytes that were just moved."""


def keys_of(sha256: str, size: int) -> list[str]:
    """Where a picture is: one object, or for one larger than a part one object per part."""
    whole = f"{BLOBS}{sha256[:2]}/{sha256}"
    if size <= PART:
        return [whole]
    return [f"{whole}.parts/{number:08}" for number in range(-(-size // PART))]


def push(transfer: Transfer, path: Path, sha256: str, size: int, moved: Moved = lambda _: None) -> None:
    """Send a picture; parts that are there from an interrupted run are not sent again.

    Raises StoreCorrupt (the file is gone or not what it was) before anything is sent.
    """
    keys = keys_of(sha256, size)
    if len(keys) == 1:
        data = _read(path, 0, PART + 1)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreCorrupt(f"{path} is damaged; run edge doctor")
        transfer.put(keys[0], data, "content")
        moved(size)
        return
    digest = hashlib.sha256()
    for start in range(0, size + 1, PART):
        digest.update(_read(path, start, PART))
    if digest.hexdigest() != sha256:
        raise StoreCorrupt(f"{path} is damaged; run edge doctor")
    there = _parts(transfer, keys[0].rpartition("/")[0] + "/")
    for number, key in enumerate(keys):
        length = min(PART, size - number * PART)
        if there.get(key) != length:
            transfer.put(key, _read(path, number * PART, PART), "content")
        moved(length)


def _parts(transfer: Transfer, folder: str) -> dict[str, int]:
    found: dict[str, int] = {}
    while page := transfer.page(folder, after=max(found, default="")):
        found.update((one.key, one.size) for one in page)
        if len(page) < PAGE:
            break
    return found


def _read(path: Path, start: int, limit: int) -> bytes:
    with translated():
        try:
            with path.open("rb") as file:
                file.seek(start)
                return file.read(limit)
        except FileNotFoundError as error:
            raise StoreCorrupt(f"{path} is missing; run edge doctor") from error


def pieces(transfer: Transfer, sha256: str, size: int, start: int = 0) -> Iterator[bytes]:
    """A picture's parts from byte ``start`` on, a multiple of a part. Raises NotFound, Altered."""
    for number, key in enumerate(keys_of(sha256, size)):
        length = min(PART, size - number * PART)
        if number * PART < start:
            continue
        transfer.room_for(length)
        data = transfer.get(key, limit=length + 1)
        if len(data) != length:
            raise _altered(transfer, sha256)
        yield data


def there(transfer: Transfer, sha256: str, size: int) -> bool:
    """Whether a remote gives back every byte of a picture: read, not believed."""
    digest = hashlib.sha256()
    try:
        for part in pieces(transfer, sha256, size):
            digest.update(part)
    except (NotFound, Altered):
        return False
    return digest.hexdigest() == sha256


def fetch(transfer: Transfer, folder: Path, sha256: str, size: int, moved: Moved = lambda _: None) -> Path:
    """Get a picture into a durable file of ``folder``, which the caller then moves or removes.

    What an interrupted run got is not asked for again. Raises NotFound (not there yet), Altered.
    """
    path = folder / sha256
    with translated():
        make_folder(folder)
        with path.open("ab") as file:
            start = file.tell() // PART * PART if file.tell() <= size else 0
            file.truncate(start)
            moved(start)
            try:
                for data in pieces(transfer, sha256, size, start):
                    file.write(data)
                    moved(len(data))
                file.flush()
                os.fsync(file.fileno())
            except NotFound:
                if not file.tell():
                    path.unlink()
                raise
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                path.unlink()
                raise _altered(transfer, sha256)
        sync_folders([folder])
    return path


def sweep(folder: Path) -> None:
    """Remove what was begun and is not wanted any more."""
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink()


def copied(path: Path, folder: Path, sha256: str) -> Path | None:
    """As ``fetch``, of a file that is here; None when it is damaged."""
    with translated():
        make_folder(folder)
        with path.open("rb") as file, (folder / sha256).open("wb") as copy:
            shutil.copyfileobj(file, copy, PART)
            copy.flush()
            os.fsync(copy.fileno())
        with (folder / sha256).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return folder / sha256
        (folder / sha256).unlink()
    return None


def _altered(transfer: Transfer, sha256: str) -> Altered:
    return Altered(f"picture {sha256[:12]} on {transfer.remote.shown} is not what was sent; it was left there")
