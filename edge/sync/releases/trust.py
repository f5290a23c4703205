"""Believing a release: The Update Framework's client over a remote, with a memory that survives power cuts.

The roles, their thresholds and the order of the checks are TUF's (https://theupdateframework.github.io/specification/,
section 5); ``tuf`` does them. What it leaves to us: files that are durable, a folder without symbolic links, and a
clock that may be wrong on a board without a battery.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import BadRelease, Conflict, EdgeError, InvalidArgument, NotFound, RuntimeMissing, StoreUnavailable
from edge.store.files import make_folder, write_durably
from edge.sync.releases.manifest import MANIFEST, MAX_FILE, MAX_MANIFEST, Release

if TYPE_CHECKING:
    from tuf.ngclient import Updater

PREFIX = "edge/1/releases/"
Fetch = Callable[[str], Iterable[bytes]]
"""A remote's object by its key, in pieces. Raises NotFound (no such object) and EdgeError."""

MAX_ROOT = 512_000
PLAUSIBLE = timedelta(days=400)
"""How far beyond the newest signed time this machine's clock may be and still count as a time that was seen."""


class Trust:
    """What a device knows about whose releases it takes: a folder with the first root and all that followed."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self._clock = clock

    @property
    def established(self) -> bool:
        """Whether a first root of trust was given."""
        return self._first.exists()

    @property
    def _first(self) -> Path:
        return self.folder / "first-root.json"

    def establish(self, root: bytes) -> tuple[str, ...]:
        """Take a first root of trust; returns the ids of its root keys, to be compared with the publisher's.

        It must be signed by a threshold of its own keys. Raises BadRelease, Conflict (another one was given before).
        """
        if len(root) > MAX_ROOT:
            raise BadRelease("the file is too large for a root of trust; give the root.json that was published")
        keys = _check_root(root)
        if self.established and self._first.read_bytes() != root:
            raise Conflict(
                f"another root of trust was given before; to trust this one instead, delete {self.folder} first"
            )
        make_folder(self.folder)
        write_durably(self._first, root)
        return keys

    def open(self, fetch: Fetch) -> Session:
        """Refresh all metadata through ``fetch``. Raises BadRelease, NotFound (nothing is published), StoreUnavailable,
        InvalidArgument (no root of trust yet)."""
        if not self.established:
            raise InvalidArgument("no root of trust yet; give the publisher's with: edge release trust root.json")
        with _refusals():
            updater = _updater(self.folder, self._first.read_bytes(), fetch, self.now())
            updater.refresh()
        return Session(self, updater)

    # --- time ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time for expiry: this machine's clock, but never before the newest time that was seen."""
        return max(self._clock(), self._seen("floor"))

    def note(self, signed: datetime) -> None:
        """Remember that a signed time has passed, and the clock's if it is plausible beside the signed ones."""
        newest = max(signed, self._seen("signed"))
        clock, floor = self._clock(), max(self._seen("floor"), newest)
        if floor < clock < newest + PLAUSIBLE:
            floor = clock
        if newest > self._seen("signed") or floor - self._seen("floor") > timedelta(hours=12):  # cards wear out
            times = {"floor": floor.isoformat(), "signed": newest.isoformat()}
            write_durably(self.folder / "times.json", json.dumps(times).encode())

    def _seen(self, which: str) -> datetime:
        try:
            return datetime.fromisoformat(json.loads((self.folder / "times.json").read_bytes())[which])
        except (OSError, ValueError, KeyError, TypeError):
            return datetime.fromtimestamp(0, UTC)


class Session:
    """Metadata that was refreshed and believed; what it names can be fetched."""

    def __init__(self, trust: Trust, updater: Updater) -> None:
        self._trust = trust
        self._updater = updater

    def release(self) -> Release:
        """What is published now. Raises BadRelease, NotFound, StoreUnavailable."""
        release = Release.from_bytes(self.file(MANIFEST, MAX_MANIFEST).read_bytes())
        self._trust.note(release.created)
        return release

    def size(self, release: Release) -> int:
        """Bytes of the release's files that are not here yet."""
        with _refusals():
            return sum(self._info(_path(digest)).length for digest in release.digests() if not self._here(digest))

    def fetch(self, release: Release, progress: Callable[[int, int], None] | None = None) -> dict[str, Path]:
        """Every file of a release by its sha256, verified; those that are here already are not fetched again."""
        digests = release.digests()
        found = {}
        for done, digest in enumerate(digests, start=1):
            found[digest] = self.file(_path(digest), MAX_FILE)
            if progress:
                progress(done, len(digests))
        return found

    def tidy(self, keep: Iterable[str]) -> None:
        """Let go of fetched files but those with these sha256."""
        wanted = {_flat(_path(digest)) for digest in keep}
        for file in self._folder.iterdir() if self._folder.is_dir() else ():
            if file.name not in wanted:
                file.unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self._trust.folder / "files"

    def _here(self, digest: str) -> bool:
        info = self._info(_path(digest))
        return self._updater.find_cached_target(info, str(self._folder / _flat(_path(digest)))) is not None

    def _info(self, path: str) -> Any:
        info = self._updater.get_targetinfo(path)
        if info is None:
            if path == MANIFEST:
                raise NotFound("nothing is released yet; publish with: trainer release publish")
            raise BadRelease(f"the release names {path}, which is not signed; ask for it to be published again")
        return info

    def file(self, path: str, limit: int) -> Path:
        """A file of the repository, verified and durable here. Raises BadRelease, NotFound, StoreUnavailable."""
        place = self._folder / _flat(path)
        with _refusals():
            info = self._info(path)
            if path != MANIFEST and info.hashes.get("sha256") != _flat(path):
                raise BadRelease(f"{path} is signed as something else; ask for the release to be published again")
            if info.length > limit:
                raise BadRelease(f"{path} is {info.length} bytes, more than the {limit} allowed; ask for a smaller one")
            if self._updater.find_cached_target(info, str(place)) is None:
                make_folder(self._folder)
                arriving = place.with_name(f".arriving-{place.name}")
                self._updater.download_target(info, str(arriving))
                write_durably(place, arriving.read_bytes())
                arriving.unlink()
        return place


def _path(digest: str) -> str:
    return f"files/{digest}"


def _flat(path: str) -> str:
    return path.rpartition("/")[2]


def _updater(folder: Path, first: bytes, fetch: Fetch, now: datetime) -> Updater:
    """TUF's client, its files durable and its clock ours."""
    try:
        from tuf.ngclient import Updater
    except ImportError as error:
        raise missing_package() from error
    from edge.sync.releases.fetcher import RemoteFetcher

    class Durable(Updater):
        """tuf writes without fsync, and a rollback that is forgotten in a power cut is no protection."""

        def _persist_file(self, filename: str, data: bytes) -> None:
            if not Path(filename).exists() or Path(filename).read_bytes() != data:
                write_durably(Path(filename), data)

        def _update_root_symlink(self) -> None:
            """Nobody reads it: the first root is passed in. FAT has no symbolic links."""

    logging.getLogger("tuf").setLevel(logging.ERROR)
    make_folder(folder / "metadata")
    updater = Durable(
        str(folder / "metadata"),
        "remote:/metadata/",
        target_base_url="remote:/targets/",
        fetcher=RemoteFetcher(lambda path: fetch(PREFIX + path)),
        bootstrap=first,
    )
    updater._trusted_set.reference_time = now
    return updater


def _check_root(data: bytes) -> tuple[str, ...]:
    """Ids of the root keys of a root that is signed by a threshold of them. Raises BadRelease."""
    try:
        from tuf.api.exceptions import RepositoryError
        from tuf.api.metadata import Metadata, Root
    except ImportError as error:
        raise missing_package() from error
    try:
        root = Metadata[Root].from_bytes(data)
        root.verify_delegate(Root.type, root)
        return tuple(root.signed.roles[Root.type].keyids)
    except (RepositoryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRelease(f"this is no signed root of trust ({error}); give the root.json that was published") from error


def missing_package() -> RuntimeMissing:
    """What to raise without ``tuf``."""
    return RuntimeMissing("releases need the tuf package; install it with: pip install 'edge-concepts[sync]'")


@contextmanager
def _refusals() -> Iterator[None]:
    """TUF's refusals as sentences. The cause says which check failed."""
    from tuf.api import exceptions as tuf

    try:
        yield
    except EdgeError:
        raise
    except tuf.DownloadHTTPError as error:
        raise NotFound("nothing is published there, or a part of it is missing; publish it again") from error
    except tuf.DownloadLengthMismatchError as error:
        raise BadRelease(f"a file is longer than what was signed; nothing of it was taken ({error})") from error
    except tuf.DownloadError as error:
        cause = error.__cause__
        if isinstance(cause, EdgeError):
            raise cause from error
        raise StoreUnavailable(f"the releases cannot be fetched ({cause or error}); try again later") from error
    except tuf.ExpiredMetadataError as error:
        raise BadRelease(
            "what is published has expired: it may be an old copy; renew it at the hub with: trainer release sign"
        ) from error
    except tuf.BadVersionNumberError as error:
        raise BadRelease(
            f"what is published is older than what was seen here before; nothing was taken ({error})"
        ) from error
    except tuf.LengthOrHashMismatchError as error:
        raise BadRelease(f"a file is not the one that was signed; nothing of it was taken ({error})") from error
    except tuf.UnsignedMetadataError as error:
        raise BadRelease("the releases are not signed by enough of the keys that are trusted here") from error
    except tuf.RepositoryError as error:
        raise BadRelease(f"the signed metadata does not read; nothing of it was taken ({error})") from error
    except OSError as error:
        raise StoreUnavailable(f"the release cannot be written here ({error}); make room and try again") from error
