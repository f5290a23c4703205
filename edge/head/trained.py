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
from edge.head.transform import FastTransform
from edge.types import EmbeddingSpec, LinearTail, Transform

_MAGIC = b"edge-head-1\n"
_MAX_BYTES = 256 << 20
_UNREADABLE = (KeyError, ValueError, TypeError, OSError, EOFError, MemoryError, RecursionError, NotImplementedError,
               zipfile.BadZipFile, zlib.error, OverflowError, AttributeError, IndexError, RuntimeError)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """Calibrated weights over z, the concepts' directions for ``known``, and the familiarity of taught pictures.

    ``weights`` (K, d) and ``bias`` (K,) float32 give logits; ``directions`` (K, d) float32 unit rows; ``familiar``
    (m,) float32 sorted leave-one-out familiarities, a picture's largest cosine with a direction.
    """

    concepts: tuple[str, ...]
    spec: EmbeddingSpec
    mutually_exclusive: bool
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    directions: NDArray[np.float32]
    familiar: NDArray[np.float32]
    threshold: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "_transform", FastTransform(self.spec))
        object.__setattr__(self, "_stack", np.concatenate([self.weights, self.directions]))

    def predict(self, embeddings: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, d) int8 -> values (n, K) and known (n,), both in [0, 1], as in ``edge.head.base.Head``."""
        x, length = self._transform.unscaled(embeddings)  # type: ignore[attr-defined]
        both = x @ self._stack.T / np.where(length > 0, length, np.float32(1))[:, np.newaxis]  # type: ignore[attr-defined]
        count = len(self.concepts)
        logits = (both[:, :count] + self.bias).astype(np.float64)
        if self.mutually_exclusive:
            e = np.exp(logits - logits.max(axis=1, keepdims=True))
            values = e / e.sum(axis=1, keepdims=True)
        else:
            values = np.exp(-np.logaddexp(0.0, -logits))
        return values, known(both[:, count:].max(axis=1), self.familiar, length > 0)

    def linear(self) -> LinearTail:
        """Weights and bias over z with the activation, for fusing into one graph."""
        return LinearTail(self.concepts, self.weights, self.bias, "softmax" if self.mutually_exclusive else "logistic")

    def to_bytes(self) -> bytes:
        """Checked, pickle-free bytes; ``from_bytes`` reads them back."""
        header = {
            "concepts": self.concepts,
            "spec": asdict(self.spec),
            "mutually_exclusive": self.mutually_exclusive,
            "threshold": self.threshold,
        }
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
            weights=self.weights,
            bias=self.bias,
            directions=self.directions,
            familiar=self.familiar,
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
                    spec=EmbeddingSpec(**header["spec"]),
                    mutually_exclusive=bool(header["mutually_exclusive"]),
                    weights=_array(arrays["weights"], 2),
                    bias=_array(arrays["bias"], 1),
                    directions=_array(arrays["directions"], 2),
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
        shape, spec = (len(self.concepts), self.spec.size), self.spec
        return (
            0 < len(self.concepts) == len(set(self.concepts))
            and self.weights.shape == self.directions.shape == shape
            and self.bias.shape == shape[:1]
            and bool((np.diff(self.familiar) >= 0).all())
            and 0 <= self.threshold <= 1
            and -128 <= spec.zero_point <= 127
            and spec.transform in get_args(Transform)
        )


def _array(array: NDArray[np.generic], dimensions: int) -> NDArray[np.float32]:
    if array.dtype != np.float32 or array.ndim != dimensions or not np.isfinite(array).all():
        raise BadHead("the head holds numbers of the wrong kind; train the model again")
    return np.asarray(array, dtype=np.float32)


def known(
    familiarity: NDArray[np.floating], familiar: NDArray[np.floating], seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(n,) conformal p-values: (1 + taught pictures at most as familiar) / (taught + 1) (Vovk et al. 2005).

    ``seen`` False (an embedding of zeros) gives 0. With m taught pictures no value is below 1 / (m + 1).
    """
    rank = np.searchsorted(familiar, familiarity, side="right")
    return np.where(seen, (1.0 + rank) / (len(familiar) + 1.0), 0.0)
