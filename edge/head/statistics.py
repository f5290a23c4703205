"""Sufficient statistics of a model: counts, sums and one scatter matrix, exact under any order of changes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BadHead
from edge.head.transform import on_grid, transform
from edge.types import NOT_SHOWN, SHOWN, EmbeddingSpec

Labels = NDArray[np.int8]
_CHUNK = 1024
_MAGIC = b"edge-statistics-1\n"


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

    def update_unit(self, z: NDArray[np.float64], before: Labels | None, after: Labels | None) -> None:
        """``update`` for rows that are on the grid already: z (n, d) float64."""
        unknown = np.full((len(z), len(self.concepts)), -1, dtype=np.int8)
        old = self.groups(unknown if before is None else before)
        new = self.groups(unknown if after is None else after)
        counted = new.any(axis=1).astype(np.int64) - old.any(axis=1)
        self.n += int(counted.sum())
        self.total += counted @ z
        self.counts += (new - old).sum(axis=0)
        self.sums += (new - old).T @ z
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
        except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
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


def _resolved(shown: NDArray[np.bool_], not_shown: NDArray[np.bool_], closed: bool) -> NDArray[np.bool_]:
    """In a closed environment with two concepts, "not this one" means the other."""
    if not closed or shown.shape[1] != 2:
        return shown
    nothing = ~shown.any(axis=1)
    one = nothing & (not_shown.sum(axis=1) == 1)
    return np.asarray(shown | (not_shown[:, ::-1] & one[:, np.newaxis]))
