"""Train a concept head on a workstation, as a device would, and write it with its backbone as one file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.backbone import catalogue
from edge.backbone.base import Backbone
from edge.config import Config
from edge.engine.exporting import Parts, check_path, write
from edge.engine.heldout import evaluate_folder
from edge.engine.learning import judge
from edge.engine.pictures import concept_folders, files_below
from edge.errors import BadImage, InvalidArgument
from edge.export.fuse import Exported
from edge.export.record import Record, card_tables
from edge.head.background import Background
from edge.head.statistics import Statistics
from edge.head.trained import TrainedHead
from edge.head.training import Rows, Training, evaluation_sample, train
from edge.image import decode, read
from edge.store.names import check_name, check_names
from edge.types import NOT_SHOWN, SHOWN, BackboneCard, Evaluation

VERSION = "v1"


@dataclass(frozen=True, slots=True)
class HeadReport:
    """What ``train_head`` wrote and how good it is.

    ``pictures``: concept -> pictures learned from. ``evaluation`` is by leave-one-out, ``held_out`` on the ``test``
    folder or None without one. ``refused``: (path, reason) of files that could not be read.
    """

    exported: Exported
    pictures: Mapping[str, int]
    evaluation: Evaluation
    held_out: Evaluation | None
    refused: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        taught = ", ".join(f"{concept} {count}" for concept, count in self.pictures.items())
        lines = [str(self.exported), f"learned from {taught}", accuracy_line(self.evaluation)]
        if self.held_out is not None:
            lines.append(accuracy_line(self.held_out))
        return "\n".join([*lines, *(f"left out: {reason}" for _, reason in self.refused)])


def accuracy_line(evaluation: Evaluation) -> str:
    """ "held-out: 93.3 % right on 30 pictures (95 % interval 78.7 to 98.2)", or why there is no such figure."""
    if evaluation.accuracy is None or evaluation.accuracy_interval is None:
        return f"{evaluation.method}: accuracy cannot be determined from {evaluation.inputs} pictures"
    low, high = evaluation.accuracy_interval
    return (
        f"{evaluation.method}: {100 * evaluation.accuracy:.1f} % right on {evaluation.inputs} pictures "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f})"
    )


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Rows as a device's store would have them, and what could not be read."""

    concepts: tuple[str, ...]
    rows: Rows
    refused: tuple[tuple[str, str], ...]


def train_head(
    data: Path,
    backbone: str,
    out: Path,
    *,
    mutually_exclusive: bool = True,
    closed_environment: bool = False,
    name: str | None = None,
    shots: int | None = None,
    full_integer: bool = False,
    config: Config | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> HeadReport:
    """Train on a folder with one sub-folder per concept (its ``train`` folder where it is split) and write ``out``.

    The head is the one a device would train on the same pictures, to the last bit of its statistics. ``shots`` learns
    from so many pictures of each concept, chosen by their content; ``name`` is the model's, default the file's.
    ``full_integer`` makes the head INT8 too. Raises NotFound, InvalidArgument, CannotTrain, BadBackbone.
    """
    config = config or Config.from_environment(os.environ)
    model = check_name(name or out.stem, "model")
    check_path(out)
    if backbone in catalogue.BUILTIN:
        raise InvalidArgument(f"backbone {backbone!r} is a program, not a file; `edge backbone list` shows files")
    folder, card = catalogue.find_card(backbone, config)
    opened = catalogue.open_backbone(backbone, config)
    try:
        taught = _read(_root(data), opened, shots)
        behind = catalogue.background(folder, card)
        used = None if behind is None or closed_environment else behind
        statistics, training, evaluation = _train(taught, card, used, mutually_exclusive, closed_environment)
        record = _record(model, statistics, training.head, evaluation, card, full_integer, clock())
        held_out = evaluate_folder(opened, training.head, data / "test") if (data / "test").is_dir() else None
        stored = taught.rows.embeddings[evaluation_sample(taught.rows.ids, taught.rows.labels)]
        file = catalogue.read_verified(folder, card)
        exported = write(Parts(file, card, training.head, record, stored, behind), out, opened, config)
    finally:
        opened.close()
    shown = {concept: pair[0] for concept, pair in record.counts.items()}
    return HeadReport(exported, shown, evaluation, held_out, taught.refused)


def _root(data: Path) -> Path:
    return data / "train" if (data / "train").is_dir() else data


def _read(root: Path, backbone: Backbone, shots: int | None) -> _Pictures:
    """Embed every picture once: the same bytes in two folders count for the later one, as when they are added."""
    concepts = check_names((path.name for path in concept_folders(root)), "concept")
    embeddings: dict[str, NDArray[np.int8]] = {}
    shows: dict[str, int] = {}
    refused = []
    for label, concept in enumerate(concepts):
        for path, id in _chosen(root / concept, shots):
            try:
                picture = decode(read(path), backbone.card.preprocessing)[1]
            except BadImage as error:
                refused.append((str(path), str(error)))
                continue
            embeddings[id] = backbone.embed(picture)
            shows[id] = label
    labels = np.full((len(shows), len(concepts)), NOT_SHOWN, dtype=np.int8)
    labels[np.arange(len(shows)), list(shows.values())] = SHOWN
    size = backbone.card.embedding.size
    table = np.stack(list(embeddings.values())) if embeddings else np.empty((0, size), dtype=np.int8)
    return _Pictures(concepts, Rows(list(embeddings), table, labels), tuple(refused))


def _chosen(folder: Path, shots: int | None) -> Iterator[tuple[Path, str]]:
    """(path, id) of a concept's pictures; ids are a store's. ``shots`` takes those with the lowest ids."""
    found = [(path, hashlib.sha256(path.read_bytes()).hexdigest()[:32]) for path in files_below(folder)]
    if shots is not None:
        if len({id for _, id in found}) < shots:
            raise InvalidArgument(f"{folder} has fewer than {shots} different pictures; add some, or lower --shots")
        lowest = sorted({id for _, id in found})[:shots]
        found = [one for one in found if one[1] in lowest]
    yield from tqdm(found, desc=folder.name, disable=None, leave=False)


def _train(
    taught: _Pictures, card: BackboneCard, behind: NDArray[np.int8] | None, exclusive: bool, closed: bool
) -> tuple[Statistics, Training, Evaluation]:
    rows = taught.rows
    statistics = Statistics(taught.concepts, card.embedding, mutually_exclusive=exclusive, closed_environment=closed)
    statistics.update(rows.embeddings, None, rows.labels)
    background = None if behind is None else Background.from_embeddings(behind, card.embedding, card.held_back)
    sample = evaluation_sample(rows.ids, rows.labels) if len(rows.ids) else np.arange(0)
    judged = Rows([rows.ids[i] for i in sample], rows.embeddings[sample], rows.labels[sample])
    training = train(statistics, background, judged)
    return statistics, training, judge(statistics, training, judged, total=len(rows.ids))


def _record(
    model: str,
    statistics: Statistics,
    head: TrainedHead,
    evaluation: Evaluation,
    card: BackboneCard,
    full_integer: bool,
    moment: datetime,
) -> Record:
    shown = statistics.counts[: len(statistics.concepts)].tolist()
    return Record(
        model=model,
        version=VERSION,
        concepts=statistics.concepts,
        mutually_exclusive=statistics.mutually_exclusive,
        closed_environment=statistics.closed_environment,
        full_integer=full_integer,
        counts={concept: (n, statistics.n - n) for concept, n in zip(statistics.concepts, shown, strict=True)},
        trained_at=moment,
        card=card_tables(card),
        evaluation=asdict(evaluation),
        head=head.to_bytes(),
    )
