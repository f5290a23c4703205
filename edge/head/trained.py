"""A trained head: immutable, a few kilobytes, and quick for one embedding at a time."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge.errors import BadHead
from edge.head.familiarity import Distances, combined
from edge.head.transform import FastTransform
from edge.types import EmbeddingPart, EmbeddingSpec, LinearTail, Transform

_MAGIC = b"edge-head-1\n"
_MAX_BYTES = 256 << 20
_UNREADABLE = (KeyError, ValueError, TypeError, OSError, EOFError, MemoryError, RecursionError, NotImplementedError,
               zipfile.BadZipFile, zlib.error, OverflowError, AttributeError, IndexError, RuntimeError)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """Calibrated weights over z, distances for ``known``, and the familiarity of taught pictures.

    ``weights`` (K, d) and ``bias`` (K,) float32 give logits; ``familiar`` (m,) float32 sorted leave-one-out
    familiarities of the taught pictures (``edge.head.familiarity.combined``).
    """

    concepts: tuple[str, ...]
    spec: EmbeddingSpec
    mutually_exclusive: bool
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    distances: Distances
    familiar: NDArray[np.float32]
    threshold: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "_transform", FastTransform(self.spec))
        object.__setattr__(self, "_stack", np.concatenate([self.weights, self.distances.rows, self.distances.basis]))

    def predict(self, embeddings: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, d) int8 -> values (n, K) and known (n,), both in [0, 1], as in ``edge.head.base.Head``."""
        z = self._transform(embeddings)  # type: ignore[attr-defined]
        both = z @ self._stack.T  # type: ignore[attr-defined]
        count = len(self.concepts)
        logits = (both[:, :count] + self.bias).astype(np.float64)
        if self.mutually_exclusive:
            e = np.exp(logits - logits.max(axis=1, keepdims=True))
            values = e / e.sum(axis=1, keepdims=True)
        else:
            values = np.exp(-np.logaddexp(0.0, -logits))
        return values, known(self._familiarity(z, both[:, count:]), self.familiar, z.any(axis=1))

    def _familiarity(self, z: NDArray[np.float32], products: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) familiarity from the products of z with the rows and the basis of ``distances``."""
        kin, count = self.distances, len(self.concepts)
        points = len(kin.rows)
        beside = products[:, points:]
        quadratic = kin.base * np.einsum("nd,nd->n", z, z) - np.einsum("nr,nr->n", beside, beside)
        apart = quadratic[:, np.newaxis] - products[:, :points] + kin.offset
        to_background = apart[:, count] if points > count else None
        return combined(apart[:, :count], to_background, exclusive=self.mutually_exclusive)

    def linear(self) -> LinearTail:
        """Weights and bias over z with the activation, for fusing into one graph."""
        return LinearTail(self.concepts, self.weights, self.bias, "softmax" if self.mutually_exclusive else "logistic")

    def to_bytes(self) -> bytes:
        """Checked, pickle-free bytes; ``from_bytes`` reads them back."""
        header = {
            "concepts": self.concepts,
            "embedding": [asdict(part) for part in self.spec.parts],
            "mutually_exclusive": self.mutually_exclusive,
            "threshold": self.threshold,
            "base": self.distances.base,
        }
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            weights=self.weights,
            bias=self.bias,
            familiar=self.familiar,
            rows=self.distances.rows,
            offset=self.distances.offset,
            basis=self.distances.basis,
        )
        body = buffer.getvalue()
        return _MAGIC + hashlib.sha256(body).digest() + body

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainedHead:
        """Raises BadHead for anything ``to_bytes`` did not write."""
        start = len(_MAGIC) + 32
        intact = data[: len(_MAGIC)] == _MAGIC and hashlib.sha256(data[start:]).digest() == data[len(_MAGIC) : start]
        if len(data) > _MAX_BYTES or not intact:
            raise BadHead("the head is damaged or of another release; train the model again")
        try:
            with zipfile.ZipFile(io.BytesIO(data[start:])) as archive:
                if sum(one.file_size for one in archive.infolist()) > _MAX_BYTES:
                    raise BadHead("the head is far too large; train the model again")
            with np.load(io.BytesIO(data[start:]), allow_pickle=False) as arrays:
                header = json.loads(arrays["header"].tobytes())
                head = cls(
                    concepts=tuple(str(one) for one in header["concepts"]),
                    spec=EmbeddingSpec(tuple(EmbeddingPart(**part) for part in header["embedding"])),
                    mutually_exclusive=bool(header["mutually_exclusive"]),
                    weights=_array(arrays["weights"], 2),
                    bias=_array(arrays["bias"], 1),
                    distances=Distances(
                        _array(arrays["rows"], 2),
                        _array(arrays["offset"], 1),
                        _array(arrays["basis"], 2),
                        float(header["base"]),
                    ),
                    familiar=_array(arrays["familiar"], 1),
                    threshold=float(header["threshold"]),
                )
        except BadHead:
            raise
        except _UNREADABLE as error:
            raise BadHead(f"the head cannot be read ({error}); train the model again") from error
        if header["concepts"] != list(head.concepts) or not head._coherent():
            raise BadHead("the head's parts contradict each other; train the model again")
        return head

    def _coherent(self) -> bool:
        """Whether everything fits together, so that no prediction can fail or be nonsense."""
        shape, spec, kin = (len(self.concepts), self.spec.size), self.spec, self.distances
        return (
            0 < len(self.concepts) == len(set(self.concepts))
            and self.weights.shape == shape
            and self.bias.shape == shape[:1]
            and kin.rows.shape in ((shape[0] + extra, shape[1]) for extra in (0, 1))
            and kin.offset.shape == kin.rows.shape[:1]
            and kin.basis.shape[1] == shape[1]
            and np.isfinite(kin.base)
            and bool((np.diff(self.familiar) >= 0).all())
            and 0 <= self.threshold <= 1
            and all(-128 <= part.zero_point <= 127 and part.size > 0 and part.weight > 0 for part in spec.parts)
            and all(part.transform in get_args(Transform) for part in spec.parts)
        )


def _array(array: NDArray[np.generic], dimensions: int) -> NDArray[np.float32]:
    if array.dtype != np.float32 or array.ndim != dimensions or not np.isfinite(array).all():
        raise BadHead("the head holds numbers of the wrong kind; train the model again")
    return np.asarray(array, dtype=np.float32)


def known(
    familiarity: NDArray[np.floating], familiar: NDArray[np.floating], seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(n,) conformal p-values: (1 + taught pictures at most as familiar) / (taught + 1) (Vovk et al. 2005).

    Less familiar than every taught picture, a p-value is 1 / (taught + 1) whatever comes; here it goes on falling, so
    that strangers can be told apart. ``seen`` False (an embedding of zeros) gives 0.
    """
    count = len(familiar)
    if not count:
        return np.where(seen, 1.0, 0.0)
    rank = np.searchsorted(familiar, familiarity, side="right")
    spread = max(float(familiar[count // 2] - familiar[0]), 1e-3 * abs(float(familiar[0])), 1e-6)
    beyond = np.exp(np.minimum(familiarity - familiar[0], 0.0) / spread)
    return np.where(seen, (beyond + rank) / (count + 1.0), 0.0)
