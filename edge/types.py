"""The records everything speaks in. Frozen, comparable, standard library only; all times are aware UTC.

Arrays never appear in a record: embeddings travel as numpy int8 arrays beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from math import sqrt
from typing import Any, Literal

SHOWN = 1
NOT_SHOWN = 0
UNKNOWN = -1
"""The three values of an annotation in label arrays (int8). Stored annotations are only ever 1 or 0."""

Fit = Literal["centre", "stretch"]
Transform = Literal["sqrt", "signed-sqrt", "l2"]
Method = Literal["leave-one-out", "five-fold", "held-out"]


class VersionStatus(StrEnum):
    """Statuses of a model version, named as Clarifai's clients expect them."""

    UNTRAINED = "MODEL_UNTRAINED"
    QUEUED = "MODEL_QUEUED_FOR_TRAINING"
    TRAINING = "MODEL_TRAINING"
    TRAINED = "MODEL_TRAINED"
    FAILED = "MODEL_TRAINING_FAILED"

    @property
    def finished(self) -> bool:
        return self in (VersionStatus.TRAINED, VersionStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Concept:
    """A name the user teaches."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Annotation:
    """``value`` 1: the input shows the concept; 0: it does not. No record at all: not known."""

    input_id: str
    concept_id: str
    value: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Input:
    """One stored image. ``size`` in bytes; ``width`` and ``height`` in pixels as displayed (EXIF applied)."""

    id: str
    sha256: str
    media_type: str
    size: int
    width: int
    height: int
    source: str
    added_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A named set of concepts and its output settings. ``concepts`` are concept ids, in output order."""

    id: str
    name: str
    concepts: tuple[str, ...]
    mutually_exclusive: bool
    closed_environment: bool
    created_at: datetime
    pinned_version: str | None = None


@dataclass(frozen=True, slots=True)
class ConceptScore:
    """One concept's calibrated value in [0, 1]."""

    id: str
    value: float
    name: str = ""

    def __repr__(self) -> str:
        return f'ConceptScore("{self.id}", {self.value:.2f})'


@dataclass(frozen=True, slots=True)
class Prediction:
    """Concepts highest value first. ``known`` in [0, 1]: does the picture resemble anything taught?"""

    model: str
    version: str
    concepts: tuple[ConceptScore, ...]
    known: float
    is_known: bool
    path: str | None = None


@dataclass(frozen=True, slots=True)
class ConceptEvaluation:
    """Figures of one concept; ``None`` where the annotations cannot determine it.

    A picture counts as recognised at a value of at least 0.5, in an exclusive model when the concept is the highest.
    ``false_alarm_rate``: share of held-back background pictures the concept fires on.
    """

    id: str
    positives: int
    negatives: int
    precision: float | None
    recall: float | None
    average_precision: float | None
    false_alarm_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """``rows[i][j]``: inputs that show ``labels[i]`` and were given ``labels[j]`` as highest concept."""

    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a version is.

    ``accuracy``: exclusive models, share of pictures whose highest concept is right; independent models, share of
    known annotations on the right side of 0.5. ``None`` when undetermined (positives only). Abstaining by
    ``is_known`` is never mixed in; ``known_rate`` is the share of evaluated pictures with ``is_known``.
    ``accuracy_interval``: 95 % Wilson interval. ``calibration_error``: top-label ECE, equal-mass bins.
    ``not_evaluable``: pictures that are the only one of their concept, counted and never scored.
    """

    method: Method
    inputs: int
    not_evaluable: int
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None
    mean_average_precision: float | None
    known_rate: float | None
    calibration_error: float | None
    log_loss: float | None
    concepts: tuple[ConceptEvaluation, ...]
    confusion: Confusion | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One immutable training of a model. ``counts``: concept id -> (shown, not shown) it was trained on."""

    id: str
    model: str
    number: int
    status: VersionStatus
    reason: str | None
    backbone: str
    backbone_sha256: str
    counts: Mapping[str, tuple[int, int]]
    created_at: datetime
    trained_at: datetime | None = None
    evaluation: Evaluation | None = None


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes the backbone's input; travels in the card, used alike in trainer and on the device.

    ``fit="centre"`` keeps the central square of side ``crop`` times the short side; ``"stretch"`` squeezes the
    central ``crop`` share of both sides into the square. A pixel p in 0..255 means the real number (p - mean) / std.
    """

    width: int
    height: int
    fit: Fit = "centre"
    crop: float = 0.875
    mean: float = 127.0
    std: float = 128.0


@dataclass(frozen=True, slots=True)
class Quantisation:
    """real = scale * (q - zero_point), TFLite's affine scheme. ``dtype`` is "int8" or "uint8"."""

    dtype: Literal["int8", "uint8"]
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class EmbeddingPart:
    """One output of a backbone: ``size`` numbers, real = scale * (q - zero_point).

    ``transform`` makes it a unit vector, which enters the embedding z ``weight`` times as long. Stored as int8 always;
    a uint8 output is shifted by -128, its zero point too.
    """

    size: int
    zero_point: int
    scale: float
    transform: Transform = "sqrt"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """What the raw embedding means: the backbone's outputs one after another, the last layer first."""

    parts: tuple[EmbeddingPart, ...]

    @property
    def size(self) -> int:
        """d, the numbers of all parts."""
        return sum(part.size for part in self.parts)

    def shares(self) -> tuple[tuple[slice, EmbeddingPart, float], ...]:
        """Each part with its columns of an embedding and the length of its share of z, which is 1 long in all."""
        whole = sqrt(sum(part.weight**2 for part in self.parts))
        starts = accumulate((part.size for part in self.parts), initial=0)
        return tuple(
            (slice(start, start + part.size), part, part.weight / whole)
            for start, part in zip(starts, self.parts, strict=False)
        )

    @classmethod
    def single(cls, size: int, zero_point: int, scale: float, transform: Transform = "sqrt") -> EmbeddingSpec:
        """The spec of a backbone with one output."""
        return cls((EmbeddingPart(size, zero_point, scale, transform),))


@dataclass(frozen=True, slots=True)
class BackboneCard:
    """Facts of a backbone, read from ``<name>.toml`` beside ``<name>.tflite``.

    ``background`` and ``golden`` are file names beside the card (int8 arrays ``.npy``), ``held_back`` the number of
    background rows, taken from the end, that stay out of the background statistics for calibration.
    """

    name: str
    sha256: str
    source: str
    licence: str
    preprocessing: Preprocessing
    input: Quantisation
    embedding: EmbeddingSpec
    background: str | None = None
    held_back: int = 0
    golden: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinearTail:
    """A head as the two numbers a graph needs: logits = weights @ z + bias, then the activation.

    ``weights``: (K, d) nested in row order as a numpy float32 array; ``bias``: (K,) float32. z is the transformed,
    unit-length embedding. Typed loosely because this module loads no numpy.
    """

    concepts: tuple[str, ...]
    weights: Any
    bias: Any
    activation: Literal["logistic", "softmax"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing ``edge doctor`` has to say. ``level``: "ok", "note" or "problem"; ``repaired`` if it was mended."""

    check: str
    level: Literal["ok", "note", "problem"]
    message: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """An annotation that the rest of the evidence contradicts.

    ``given``: 1 or 0, what was said; ``value`` of the concept in [0, 1] by a head that has not seen the picture;
    ``rival``: the concept of an exclusive model that it resembles more, with ``rival_value``; ``score``: log odds that
    the annotation is wrong. ``reason`` in words. ``nearest``: ids of the taught inputs most like it, nearest first.
    """

    input_id: str
    concept_id: str
    given: int
    value: float
    rival: str | None
    rival_value: float | None
    score: float
    reason: str
    nearest: tuple[str, ...]


RemarkKind = Literal[
    "disagreeing", "near-duplicates", "imbalance", "too-few", "tiny", "blurred", "confused", "missed", "false-alarms"
]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the pictures a model is taught with; ``concepts`` and ``inputs`` (ids) are those it is about."""

    kind: RemarkKind
    message: str
    concepts: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """What is wrong with what a model is taught, and what to do about it.

    ``suspects``: the worst first, at most as many as were asked for, of ``suspect_count``; None where nobody looked.
    ``next``: what to photograph or to correct next, most useful first.
    """

    suspects: tuple[Suspect, ...] | None
    suspect_count: int
    remarks: tuple[Remark, ...]
    next: tuple[str, ...]
