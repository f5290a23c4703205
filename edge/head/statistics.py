"""Sufficient statistics of a model: counts, sums and one scatter matrix, exact under any order of changes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BadHead
from edge.head.transform import on_grid, transform
from edge.types import NOT_SHOWN, SHOWN, EmbeddingSpec

Labels = NDArray[np.int8]
_CHUNK = 1024
_MAGIC = b"edge-statistics-1\n"
_UNREADABLE = (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class Regrouping:
    """Inputs whose groups differ under other concepts: (m,) ``rows`` of the labels given, (m, G) changes of
    ``groups``, (m,) of being ``counted``."""

    rows: NDArray[np.intp]
    groups: NDArray[np.int64]
    counted: NDArray[np.int64]


class Statistics:
    """N, sum z and sum z z' over the inputs L that count for a model, and counts and sums of its groups.

    Independent concepts have two groups each, shown and not shown; L holds inputs with any known value. Mutually
    exclusive concepts have one group each and a last one, "none of these"; L holds inputs with a group.
    ``scatter`` (d, d), ``total`` (d,), ``sums`` (G, d) are float64 multiples of 2^-30 (2^-15): sums are exact, so any
    sequence of updates equals a rebuild bit for bit.
    """

    def __init__(
        self,
        concepts: Sequence[str],
        spec: EmbeddingSpec,
        *,
        mutually_exclusive: bool,
        closed_environment: bool = False,
    ) -> None:
        self.concepts = tuple(concepts)
        self.spec = spec
        self.mutually_exclusive = mutually_exclusive
        self.closed_environment = closed_environment
        groups = len(self.concepts) + 1 if mutually_exclusive else 2 * len(self.concepts)
        self.n = 0
        self.total = np.zeros(spec.size)
        self.scatter = np.zeros((spec.size, spec.size))
        self.counts = np.zeros(groups, dtype=np.int64)
        self.sums = np.zeros((groups, spec.size))

    def groups(self, labels: Labels) -> NDArray[np.int64]:
        """(n, K) labels in {1, 0, -1} -> (n, G) membership in {0, 1}; a row of zeros does not count."""
        shown, not_shown = labels == SHOWN, labels == NOT_SHOWN
        if not self.mutually_exclusive:
            return np.concatenate([shown, not_shown], axis=1).astype(np.int64)
        shown = _resolved(shown, not_shown, self.closed_environment)
        single = shown.sum(axis=1) == 1
        none = not_shown.all(axis=1)
        return np.concatenate([shown & single[:, np.newaxis], none[:, np.newaxis] & ~single[:, np.newaxis]], 1).astype(
            np.int64
        )

    def update(self, embeddings: NDArray[np.int8], before: Labels | None, after: Labels | None) -> None:
        """Change the labels of inputs: (n, d) int8 embeddings, (n, K) int8 labels before and after, in place.

        ``None`` for all rows unknown. Adding is ``before=None``, removing ``after=None``; costs n d^2 at most.
        """
        for start in range(0, len(embeddings), _CHUNK):
            rows = slice(start, start + _CHUNK)
            z = on_grid(transform(embeddings[rows], self.spec))
            self.update_unit(z, None if before is None else before[rows], None if after is None else after[rows])

    def take_over(self, old: Statistics, before: Labels, after: Labels) -> Regrouping:
        """Become what ``old`` is under other concepts, and say which inputs must be read for that.

        ``before`` (n, K) and ``after`` (n, K') are the labels of all inputs of the store under the concepts of
        ``old``, whose sums are used up, and of this one. Inputs whose groups stay cost nothing; the others are in the
        answer, and ``regroup`` with their embeddings completes the change.
        """
        were, are = old.groups(before), self.groups(after)
        kept = np.zeros_like(are)
        for place, group in enumerate(self._names()):
            if group in old._names():
                index = old._names().index(group)
                kept[:, place] = were[:, index]
                self.counts[place], self.sums[place] = old.counts[index], old.sums[index]
        self.n, self.total, self.scatter = old.n, old.total, old.scatter
        counted = np.asarray(are.any(axis=1).astype(np.int64) - were.any(axis=1))
        rows = np.flatnonzero((kept != are).any(axis=1) | (counted != 0))
        return Regrouping(rows, (are - kept)[rows], counted[rows])

    def regroup(self, change: Regrouping, embeddings: NDArray[np.int8]) -> None:
        """Complete ``take_over``: (m, d) int8 embeddings of the rows it named, in their order."""
        for start in range(0, len(embeddings), _CHUNK):
            part = slice(start, start + _CHUNK)
            z = on_grid(transform(embeddings[part], self.spec))
            self._add(z, change.groups[part], change.counted[part])

    def _names(self) -> list[tuple[str, int]]:
        """What each group is, the same under whatever other concepts."""
        shown = [(concept, SHOWN) for concept in self.concepts]
        rest = [("", NOT_SHOWN)] if self.mutually_exclusive else [(concept, NOT_SHOWN) for concept in self.concepts]
        return shown + rest

    def update_unit(self, z: NDArray[np.float64], before: Labels | None, after: Labels | None) -> None:
        """``update`` for rows that are on the grid already: z (n, d) float64."""
        unknown = np.full((len(z), len(self.concepts)), -1, dtype=np.int8)
        old = self.groups(unknown if before is None else before)
        new = self.groups(unknown if after is None else after)
        self._add(z, new - old, np.asarray(new.any(axis=1).astype(np.int64) - old.any(axis=1)))

    def _add(self, z: NDArray[np.float64], groups: NDArray[np.int64], counted: NDArray[np.int64]) -> None:
        """(n, G) changes of membership and (n,) of being counted, each in {1, 0, -1}."""
        self.n += int(counted.sum())
        self.total += counted @ z
        self.counts += groups.sum(axis=0)
        self.sums += groups.T @ z
        for sign in (1, -1):
            part = z[counted == sign]
            if len(part):
                self.scatter += sign * (part.T @ part)

    def to_bytes(self, *, watermark: int, backbone_sha256: str) -> bytes:
        """A snapshot: the last change included, the backbone, the sums (scatter as its upper triangle), a checksum."""
        header = json.dumps(self._header(watermark, backbone_sha256), sort_keys=True)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.frombuffer(header.encode(), dtype=np.uint8),
            total=self.total,
            upper=self.scatter[np.triu_indices(self.spec.size)],
            counts=self.counts,
            sums=self.sums,
        )
        body = buffer.getvalue()
        return _MAGIC + hashlib.sha256(body).digest() + body

    def _header(self, watermark: int, backbone_sha256: str) -> dict[str, object]:
        return {
            "watermark": watermark,
            "n": self.n,
            "concepts": self.concepts,
            "exclusive": self.mutually_exclusive,
            "closed": self.closed_environment,
            "embedding": [asdict(part) for part in self.spec.parts],
            "backbone": backbone_sha256,
        }

    def restore(self, data: bytes, *, backbone_sha256: str) -> int:
        """Take over a snapshot's sums; returns its watermark. Raises BadHead when damaged or of another model."""
        start = len(_MAGIC) + 32
        if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
            raise BadHead("the statistics snapshot is damaged; it is rebuilt from the store")
        try:
            with np.load(io.BytesIO(data[start:]), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header = json.loads(arrays["header"].tobytes())
            watermark, n = int(header["watermark"]), int(header["n"])
        except _UNREADABLE as error:
            raise BadHead(f"the statistics snapshot cannot be read ({error}); it is rebuilt") from error
        self._take(arrays, header, watermark, n, backbone_sha256)
        return watermark

    def _take(
        self, arrays: dict[str, NDArray[Any]], header: object, watermark: int, n: int, backbone_sha256: str
    ) -> None:
        upper = np.triu_indices(self.spec.size)
        ours = {"total": self.total, "upper": self.scatter[upper], "counts": self.counts, "sums": self.sums}
        fits = all(
            name in arrays
            and (arrays[name].shape, arrays[name].dtype) == (array.shape, array.dtype)
            and np.isfinite(arrays[name]).all()
            for name, array in ours.items()
        )
        wanted = json.loads(json.dumps({**self._header(watermark, backbone_sha256), "n": n}))
        if header != wanted or not fits:
            raise BadHead("the statistics snapshot belongs to another model or backbone; it is rebuilt")
        self.n = n
        self.total, self.counts, self.sums = arrays["total"], arrays["counts"], arrays["sums"]
        self.scatter[upper] = arrays["upper"]
        self.scatter.T[upper] = arrays["upper"]


def snapshot_concepts(data: bytes) -> tuple[str, ...]:
    """The concepts a snapshot was made for, the rest of it unchecked. Raises BadHead."""
    try:
        with np.load(io.BytesIO(data[len(_MAGIC) + 32 :]), allow_pickle=False) as file:
            return tuple(str(concept) for concept in json.loads(file["header"].tobytes())["concepts"])
    except _UNREADABLE as error:
        raise BadHead(f"the statistics snapshot cannot be read ({error}); it is rebuilt") from error


def _resolved(shown: NDArray[np.bool_], not_shown: NDArray[np.bool_], closed: bool) -> NDArray[np.bool_]:
    """In a closed environment with two concepts, "not this one" means the other."""
    if not closed or shown.shape[1] != 2:
        return shown
    nothing = ~shown.any(axis=1)
    one = nothing & (not_shown.sum(axis=1) == 1)
    return np.asarray(shown | (not_shown[:, ::-1] & one[:, np.newaxis]))
