"""A TUF repository in a folder: ``metadata/`` and ``targets/``, as they are copied to a remote.

Roles after https://theupdateframework.github.io/specification/: root (several keys, a threshold), targets, and one
online key for snapshot and timestamp. Consistent snapshots: whoever reads while a release is published sees the old
one or the new one whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import BadRelease, Conflict, InvalidArgument, NotFound
from edge.store.files import write_durably

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata

DAYS: Mapping[str, int] = {"root": 3650, "targets": 1825, "snapshot": 730, "timestamp": 365}
"""How long signatures hold. Long, because a stick may travel for months; ``sign`` renews them at half of it."""

ONLINE = ("snapshot", "timestamp")
DRAFT = "root-draft.json"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signing did: roles with a new version, and how many signatures a draft of a root still misses."""

    renewed: tuple[str, ...]
    root_missing: int


class Repository:
    """Reads, changes and signs one repository. Times are passed in."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder = folder
        self._now = now

    @property
    def _metadata(self) -> Path:
        return self.folder / "metadata"

    @property
    def exists(self) -> bool:
        """Whether it was made already."""
        return (self._metadata / "1.root.json").exists()

    def root(self) -> bytes:
        """The first root: what devices are given by hand. Raises NotFound."""
        self._require()
        return (self._metadata / "1.root.json").read_bytes()

    # --- making --------------------------------------------------------------------------------------------------

    def create(self, keys: Mapping[str, Sequence[CryptoSigner]], threshold: int) -> None:
        """Make it, signed by ``keys`` of root, targets and online. Raises Conflict, InvalidArgument."""
        from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

        if self.exists:
            raise Conflict(f"{self.folder} holds a repository already; publish to it, or choose another folder")
        _check_keys(keys, threshold)
        root = Root(expires=self._until("root"), consistent_snapshot=True)
        for role in ("root", "targets", *ONLINE):
            for signer in keys["online" if role in ONLINE else role]:
                root.add_key(signer.public_key, role)
        root.roles["root"].threshold = threshold
        self._write("1.root.json", _signed(Metadata(root), keys["root"]))
        targets = Metadata(Targets(expires=self._until("targets")))
        self._write("1.targets.json", _signed(targets, keys["targets"]))
        snapshot = Metadata(Snapshot(expires=self._until("snapshot")))
        self._write("1.snapshot.json", _signed(snapshot, keys["online"]))
        timestamp = Metadata(Timestamp(expires=self._until("timestamp")))
        self._write("timestamp.json", _signed(timestamp, keys["online"]))

    def release(self, files: Mapping[str, bytes], keys: Mapping[str, Sequence[CryptoSigner]]) -> None:
        """Make ``files`` (target path -> bytes) what is released, instead of what was. Raises InvalidArgument."""
        from tuf.api.metadata import TargetFile

        self._require()
        targets = self._latest("targets")
        infos = {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in files.items()}
        for path, data in files.items():
            folder, _, name = path.rpartition("/")
            write_durably(self.folder / "targets" / folder / f"{infos[path].hashes['sha256']}.{name}", data)
        targets.signed.targets = infos
        self._renew("targets", targets, keys["targets"])
        self._follow(targets.signed.version, keys["online"])

    def targets(self) -> dict[str, str]:
        """What is released: target path -> sha256."""
        self._require()
        return {path: info.hashes["sha256"] for path, info in self._latest("targets").signed.targets.items()}

    def read(self, path: str) -> bytes:
        """A released file. Raises NotFound."""
        digest = self.targets().get(path)
        folder, _, name = path.rpartition("/")
        file = self.folder / "targets" / folder / f"{digest}.{name}"
        if digest is None or not file.is_file():
            raise NotFound(f"{self.folder} has no {path}; publish a release first")
        return file.read_bytes()

    # --- signing -------------------------------------------------------------------------------------------------

    def sign(self, keys: Mapping[str, Sequence[CryptoSigner]], *, force: bool = False) -> Signed:
        """Sign a draft root with the root keys that are here, and renew what is past half of its time (all: ``force``).

        Roles whose keys are not here are left as they are.
        """
        self._require()
        missing = self._sign_draft(keys["root"])
        renewed = []
        if keys["targets"] and (force or self._ageing("targets")):
            self._renew("targets", self._latest("targets"), keys["targets"])
            renewed.append("targets")
        if keys["online"] and (force or renewed or any(self._ageing(role) for role in ONLINE)):
            self._follow(self._latest("targets").signed.version, keys["online"])
            renewed += ONLINE
        return Signed(tuple(renewed), missing)

    def draft(self, add: Mapping[str, Sequence[CryptoSigner]], remove: Iterable[str], threshold: int | None) -> int:
        """Draft the next root: keys added by role, keys removed by id. Returns how many signatures it needs.

        It counts once ``sign`` has brought a threshold of the old root's keys and of its own. Raises InvalidArgument.
        """
        self._require()
        root = self._latest("root")
        for role, signers in add.items():
            for name in ONLINE if role == "online" else (role,):
                for signer in signers:
                    root.signed.add_key(signer.public_key, name)
        for id in remove:
            _revoke(root, id)
        root.signed.roles["root"].threshold = threshold or root.signed.roles["root"].threshold
        for name, role in root.signed.roles.items():
            if len(role.keyids) < role.threshold:
                raise InvalidArgument(f"{name} would have fewer keys than the {role.threshold} it needs; add one first")
        root.signed.version += 1
        root.signed.expires = self._until("root")
        root.signatures.clear()
        self._write(DRAFT, root)
        return self._sign_draft(())

    def _sign_draft(self, signers: Sequence[CryptoSigner]) -> int:
        """Add signatures to the draft; publish it when there are enough. Returns how many are missing."""
        if not (self._metadata / DRAFT).exists():
            return 0
        draft, old = _load(self._metadata / DRAFT), self._latest("root")
        allowed = {*draft.signed.roles["root"].keyids, *old.signed.roles["root"].keyids}
        for signer in signers:
            if signer.public_key.keyid in allowed:
                draft.sign(signer, append=True)
        missing = max(_missing(old, draft), _missing(draft, draft))
        if missing:
            self._write(DRAFT, draft)
            return missing
        self._write(f"{draft.signed.version}.root.json", draft)
        (self._metadata / DRAFT).unlink()
        return 0

    def _follow(self, targets_version: int, signers: Sequence[CryptoSigner]) -> None:
        """A snapshot and a timestamp that speak of the newest targets."""
        from tuf.api.metadata import MetaFile

        snapshot = self._latest("snapshot")
        snapshot.signed.meta["targets.json"] = MetaFile(targets_version)
        self._renew("snapshot", snapshot, signers)
        timestamp = self._latest("timestamp")
        timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
        self._renew("timestamp", timestamp, signers)

    def _renew(self, role: str, metadata: Metadata[Any], signers: Sequence[CryptoSigner]) -> None:
        allowed = self._latest("root").signed.roles[role].keyids
        chosen = [signer for signer in signers if signer.public_key.keyid in allowed]
        if not chosen:
            raise InvalidArgument(f"none of the keys here may sign {role}; give the folder that holds them with --keys")
        metadata.signed.version += 1
        metadata.signed.expires = self._until(role)
        name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        self._write(name, _signed(metadata, chosen))

    def _ageing(self, role: str) -> bool:
        left = self._latest(role).signed.expires - self._now
        return bool(left < timedelta(days=DAYS[role] / 2))

    # --- files ---------------------------------------------------------------------------------------------------

    def uploads(self) -> list[str]:
        """Every file by its path in the repository, in the order in which they may be copied: what is spoken of before
        what speaks of it, and the timestamp last."""
        self._require()
        targets = sorted(file for file in (self.folder / "targets").rglob("*") if file.is_file())
        names = [file.name for file in self._metadata.iterdir() if file.name not in (DRAFT, "timestamp.json")]
        order = {"root": 0, "targets": 1, "snapshot": 2}
        names.sort(key=lambda name: (order.get(name.split(".")[1], 3), int(name.split(".")[0])))
        metadata = [f"metadata/{name}" for name in (*names, "timestamp.json")]
        return [str(file.relative_to(self.folder)) for file in targets] + metadata

    def _latest(self, role: str) -> Metadata[Any]:
        if role == "timestamp":
            return _load(self._metadata / "timestamp.json")
        versions = []
        for file in self._metadata.glob(f"*.{role}.json"):
            with suppress(ValueError):
                versions.append(int(file.name.split(".")[0]))
        if not versions:
            raise BadRelease(f"{self._metadata} has no {role} metadata; copy the repository again")
        return _load(self._metadata / f"{max(versions)}.{role}.json")

    def _write(self, name: str, metadata: Metadata[Any]) -> None:
        write_durably(self._metadata / name, metadata.to_bytes())

    def _until(self, role: str) -> datetime:
        return (self._now + timedelta(days=DAYS[role])).replace(microsecond=0)

    def _require(self) -> None:
        if not self.exists:
            raise NotFound(f"{self.folder} holds no repository; make one with: trainer release publish")


def _check_keys(keys: Mapping[str, Sequence[CryptoSigner]], threshold: int) -> None:
    for role in ("root", "targets", "online"):
        if not keys.get(role):
            raise InvalidArgument(f"there is no {role} key; make keys with: trainer release keys")
    if not 1 <= threshold <= len(keys["root"]):
        raise InvalidArgument(f"a threshold of {threshold} needs as many root keys; there are {len(keys['root'])}")


def _signed(metadata: Metadata[Any], signers: Sequence[CryptoSigner]) -> Metadata[Any]:
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata


def _missing(judge: Metadata[Any], root: Metadata[Any]) -> int:
    """Signatures of ``judge``'s root keys that ``root`` still needs."""
    result = judge.signed.get_verification_result("root", root.signed_bytes, root.signatures)
    return max(0, int(result.threshold) - len(result.signed))


def _revoke(root: Metadata[Any], id: str) -> None:
    roles = [name for name, role in root.signed.roles.items() if id in role.keyids]
    if not roles:
        raise InvalidArgument(f"the root knows no key {id!r}; `trainer release keys` lists them")
    for name in roles:
        root.signed.revoke_key(id, name)


def _load(path: Path) -> Metadata[Any]:
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata

    try:
        return Metadata.from_file(str(path))
    except (RepositoryError, OSError) as error:
        raise BadRelease(f"{path} does not read ({error}); copy the repository again") from error
