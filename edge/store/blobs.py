"""The original bytes of images, named by their sha256 and never changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from edge.errors import StoreCorrupt
from edge.store.failures import translated
from edge.store.files import hold_shared, locked, make_exclusive, stage, sync_folders

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp", "image/tiff": "tif"}


class Blobs:
    """``blobs/<aa>/<sha256>.<ext>``, and the lock that keeps sweepers away from bytes whose row is about to come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "blobs"
        self._lock = folder / "blobs.lock"
        self.named: set[Path] = set()  # folders this process has seen durable

    def path(self, sha256: str, media_type: str) -> Path:
        """Where an image's bytes are."""
        return self._folder / sha256[:2] / f"{sha256}.{_EXTENSIONS.get(media_type, 'gif')}"

    def read(self, sha256: str, media_type: str, what: str) -> bytes:
        """An image's bytes. Raises StoreCorrupt when they are gone or not what they were."""
        again = "add the same file again, or remove it with: edge remove"
        with translated():
            try:
                data = self.path(sha256, media_type).read_bytes()
            except FileNotFoundError as error:
                raise StoreCorrupt(f"the picture of {what} is missing; {again}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreCorrupt(f"the picture of {what} is damaged; {again}")
        return data

    @contextmanager
    def adding(self, used: Callable[[Iterable[str]], set[str]]) -> Iterator[Adding]:
        """Held from before bytes are staged until their rows are committed; no sweeper runs meanwhile.

        When the block raises, what it staged is taken away again, unless ``used`` says that a row has it.
        """
        handle = hold_shared(self._lock)
        adding = Adding(self)
        try:
            yield adding
        except BaseException:
            # whoever stages the same bytes at this moment counts on finding them: then the sweeper must see to it
            if adding.made and make_exclusive(handle):
                with suppress(Exception):
                    known = used(adding.made)
                    for digest, path in adding.made.items():
                        if digest not in known:
                            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)

    def sweeping(self, *, wait: bool = True) -> AbstractContextManager[bool]:
        """While this is held nobody is between staging bytes and committing their row; whether it is held."""
        return locked(self._lock, wait=wait)


class Adding:
    """Bytes on their way in: ``made`` maps the sha256 of those that were not there before to their files."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._folders: set[Path] = set()
        self.made: dict[str, Path] = {}

    def stage(self, sha256: str, media_type: str, data: bytes) -> None:
        """Write bytes, unless the very same are there; durable after ``sync``."""
        path = self._place(sha256, media_type)
        if not _holds(path, data):
            self.made.setdefault(sha256, path)
            stage(path, data)

    def take(self, sha256: str, media_type: str, file: Path) -> None:
        """As ``stage`` with a durable file of the store's folder, whose sha256 was checked; it is moved."""
        path = self._place(sha256, media_type)
        if not path.exists():
            self.made.setdefault(sha256, path)
        file.replace(path)

    def _place(self, sha256: str, media_type: str) -> Path:
        """Where an image's bytes go, in a folder that is there."""
        path = self._blobs.path(sha256, media_type)
        folder = path.parent
        if folder not in self._blobs.named or not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            # also when another process made it: that one may have died before its name was durable
            self._folders.update(folder.parents[:2])
        self._folders.add(folder)
        return path

    def sync(self) -> None:
        """Make the names of everything staged durable."""
        sync_folders(sorted(self._folders))
        self._blobs.named.update(self._folders)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file has exactly these bytes; cards rot, and adding a picture again is how it is mended."""
    try:
        if path.stat().st_size != len(data) or path.read_bytes() != data:
            return False
        os.utime(path)  # an orphan of long ago is young again
    except OSError:
        return False
    return True
