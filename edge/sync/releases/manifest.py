"""What a release holds: ``release.json``, one file per model, and the backbone's files, each named by its sha256.

The documents arrive behind a signature, and are checked all the same: whoever signs can make mistakes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.errors import BadRelease

FORMAT = 1
MANIFEST = "release.json"
MAX_MANIFEST = 1 << 20
MAX_FILE = 256 << 20
MAX_MODEL = 64 << 20
MAX_MODELS = 256
BACKBONE_FILES = ("tflite", "toml", "background.npy", "golden.npy")
"""What follows the backbone's name in its files' names; the first two are always there."""

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_AGAIN = "ask whoever publishes to make the release again"


@dataclass(frozen=True, slots=True)
class Release:
    """``number`` grows with every release; ``created``: when the hub made it (UTC).

    ``backbone_files``: ending of ``BACKBONE_FILES`` -> sha256; ``models``: name -> sha256 of its file.
    """

    number: int
    created: datetime
    notes: str
    backbone: str
    backbone_sha256: str
    backbone_files: Mapping[str, str]
    models: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """``release.json``."""
        document = {
            "format": FORMAT,
            "number": self.number,
            "created": self.created.astimezone(UTC).isoformat(),
            "notes": self.notes,
            "backbone": {"name": self.backbone, "sha256": self.backbone_sha256, "files": dict(self.backbone_files)},
            "models": dict(self.models),
        }
        return json.dumps(document, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Release:
        """Raises BadRelease."""
        table = _table(data, MAX_MANIFEST, "the release")
        backbone = _get(table, "backbone", dict)
        files, models = _get(backbone, "files", dict), _get(table, "models", dict)
        sha256 = _digest(backbone.get("sha256"))
        if not {"tflite", "toml"} <= files.keys() <= set(BACKBONE_FILES) or files["tflite"] != sha256:
            raise BadRelease(f"the release does not hold its backbone's files; {_AGAIN}")
        if len(models) > MAX_MODELS:
            raise BadRelease(f"the release holds more than {MAX_MODELS} models; {_AGAIN}")
        number = _get(table, "number", int)
        if not 0 < number < 2**31:
            raise BadRelease(f"the release has the number {number}; {_AGAIN}")
        return cls(
            number=number,
            created=_moment(table),
            notes=_get(table, "notes", str)[:10_000],
            backbone=_name(backbone.get("name")),
            backbone_sha256=sha256,
            backbone_files={str(ending): _digest(digest) for ending, digest in files.items()},
            models={str(name): _digest(digest) for name, digest in models.items()},
        )

    def digests(self) -> tuple[str, ...]:
        """Every file of the release besides ``release.json``."""
        return tuple(dict.fromkeys([*self.backbone_files.values(), *self.models.values()]))


@dataclass(frozen=True, slots=True)
class ReleasedModel:
    """A trained version on its way to devices.

    ``record``: the JSON of ``edge.export.record.Record``; ``head``: the head's bytes, checked by whoever installs it.
    ``seen``: ``input_key`` of every picture it was trained on, so that a device does not judge it by those, and
    ``verdicts``: of some of them, what leave-one-out at the hub said: (annotations it got right, annotations judged).
    """

    record: bytes
    head: bytes
    seen: frozenset[bytes]
    verdicts: Mapping[bytes, tuple[int, int]]

    def to_bytes(self) -> bytes:
        """One JSON document."""
        document = {
            "format": FORMAT,
            "record": json.loads(self.record),
            "head": base64.b64encode(self.head).decode(),
            "seen": base64.b64encode(b"".join(sorted(self.seen))).decode(),
            "verdicts": {key.hex(): list(pair) for key, pair in sorted(self.verdicts.items())},
        }
        return json.dumps(document, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> ReleasedModel:
        """Raises BadRelease."""
        table = _table(data, MAX_MODEL, "a model of the release")
        keys = _base64(table, "seen")
        if len(keys) % KEY_BYTES:
            raise BadRelease(f"the pictures of a model of the release are cut off; {_AGAIN}")
        return cls(
            record=json.dumps(_get(table, "record", dict), ensure_ascii=False).encode(),
            head=_base64(table, "head"),
            seen=frozenset(keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)),
            verdicts={_key(key): _pair(pair) for key, pair in _get(table, "verdicts", dict).items()},
        )


KEY_BYTES = 8


def input_key(id: str) -> bytes:
    """An input in 8 bytes: the same on every device, and short, because a release names all it was trained on."""
    return hashlib.sha256(id.encode()).digest()[:KEY_BYTES]


def _table(data: bytes, limit: int, what: str) -> dict[str, Any]:
    if len(data) > limit:
        raise BadRelease(f"{what} is larger than {limit >> 20} MiB; {_AGAIN}")
    try:
        table = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRelease(f"{what} cannot be read ({error}); {_AGAIN}") from error
    if not isinstance(table, dict):
        raise BadRelease(f"{what} is no table; {_AGAIN}")
    if isinstance(table.get("format"), int) and table["format"] > FORMAT:
        raise BadRelease(f"{what} was made by a newer version; update with: pip install -U edge-concepts")
    return table


def _get(table: Mapping[str, Any], key: str, kind: type) -> Any:
    value = table.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadRelease(f"the release's {key} is missing or no {kind.__name__}; {_AGAIN}")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _SHA256.match(value):
        raise BadRelease(f"the release names a file by something that is no sha256; {_AGAIN}")
    return value


def _name(value: Any) -> str:
    """A plain file name: it becomes one."""
    if not isinstance(value, str) or not _NAME.match(value):
        raise BadRelease(f"the release's backbone has no plain name; {_AGAIN}")
    return value


def _moment(table: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_get(table, "created", str))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadRelease):
            raise
        raise BadRelease(f"the release's created is no time; {_AGAIN}") from error


def _base64(table: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(_get(table, key, str), validate=True)
    except ValueError as error:
        if isinstance(error, BadRelease):
            raise
        raise BadRelease(f"the release's {key} is damaged; {_AGAIN}") from error


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadRelease(f"a model of the release judges something that is no picture; {_AGAIN}")
    return key


def _pair(value: Any) -> tuple[int, int]:
    if not (isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)):
        raise BadRelease(f"a model of the release has verdicts that are no counts; {_AGAIN}")
    if not 0 <= value[0] <= value[1] < 2**31:
        raise BadRelease(f"a model of the release got more right than it judged; {_AGAIN}")
    return value[0], value[1]
