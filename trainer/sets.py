"""Labelled picture sets as embeddings, and few-shot splits of them: what every comparison is made on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import InvalidArgument, NotFound
from edge.types import Preprocessing
from trainer.data import embed_all, pictures

Embed = Callable[[NDArray[np.uint8]], NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Pictures of K concepts. ``embeddings`` (n, d); ``labels`` (n,) in 0..K-1; ``test`` (n,) True where held out.

    ``paths`` (n,) in the same order. A set without a ``test`` folder has no row held out: splits take what is left.
    """

    name: str
    concepts: tuple[str, ...]
    paths: tuple[Path, ...]
    embeddings: NDArray[np.generic]
    labels: NDArray[np.int64]
    test: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers to learn from and to be judged on."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def find_sets(folders: Sequence[Path]) -> list[Path]:
    """Folders of concepts among ``folders`` and one level below them. Raises NotFound when there is none."""
    found = []
    for folder in folders:
        inner = sorted(path for path in folder.glob("*") if path.is_dir()) if folder.is_dir() else []
        candidates = [folder] if _is_set(folder) else [path for path in inner if _is_set(path)]
        found += candidates
    if not found:
        raise NotFound(
            f"no folders of concepts in {', '.join(map(str, folders))}; give --data DIR with one per concept"
        )
    return found


def _is_set(folder: Path) -> bool:
    """A ``train`` folder with concepts, or at least two sub-folders that hold pictures themselves."""
    if (folder / "train").is_dir():
        return True
    return sum(_has_pictures(path) for path in folder.glob("*") if path.is_dir()) >= 2


def _has_pictures(folder: Path) -> bool:
    try:
        return bool(pictures(folder))
    except NotFound:
        return False


def load_set(folder: Path, preprocessing: Preprocessing, embed: Embed, cache: Path, key: str) -> LabelledSet:
    """A set with its embeddings, kept in ``cache`` under the names and sizes of its files and ``key``."""
    concepts, paths, labels, test = _listing(folder)
    embeddings = embedded(paths, folder.name, preprocessing, embed, cache, key)
    return LabelledSet(folder.name, concepts, paths, embeddings, labels, test)


def embedded(
    paths: Sequence[Path], name: str, preprocessing: Preprocessing, embed: Embed, cache: Path, key: str
) -> NDArray[np.generic]:
    """(n, d) embeddings of files, kept in ``cache`` under their names and sizes and ``key``."""
    facts = "".join(f"{path}:{path.stat().st_size}\n" for path in paths) + f"{preprocessing}{key}"
    file = cache / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:20]}.npy"
    if file.exists():
        return np.asarray(np.load(file, allow_pickle=False))
    embeddings = embed_all(list(paths), preprocessing, embed, name)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, embeddings, allow_pickle=False)
    return embeddings


def _listing(folder: Path) -> tuple[tuple[str, ...], tuple[Path, ...], NDArray[np.int64], NDArray[np.bool_]]:
    parts = [folder / "train", folder / "test"] if (folder / "train").is_dir() else [folder]
    concepts = tuple(sorted(path.name for path in parts[0].iterdir() if path.is_dir()))
    rows = list(_rows(parts, concepts))
    return (
        concepts,
        tuple(path for path, _, _ in rows),
        np.array([label for _, label, _ in rows], dtype=np.int64),
        np.array([held for _, _, held in rows], dtype=np.bool_),
    )


def _rows(parts: Sequence[Path], concepts: Sequence[str]) -> Iterator[tuple[Path, int, bool]]:
    for part in parts:
        for label, concept in enumerate(concepts):
            if (part / concept).is_dir():
                for path in pictures(part / concept):
                    yield path, label, part.name == "test"


UNEQUAL = (0.2, 0.4, 0.8, 1.0)


def few_shot(one: LabelledSet, shots: int, seed: int, *, unequal: bool = False) -> Split:
    """``shots`` random pictures per concept to learn from; judged on the test folder, or on all others without one.

    ``unequal``: a fifth, two fifths, four fifths and all of the shots, in turns over shuffled concepts. Raises
    InvalidArgument when a concept has fewer pictures.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    chosen = []
    shares = generator.permutation(np.resize(UNEQUAL, len(one.concepts))) if unequal else np.ones(len(one.concepts))
    for label, concept in enumerate(one.concepts):
        rows = np.flatnonzero((one.labels == label) & ~one.test)
        if len(rows) < shots:
            raise InvalidArgument(
                f"{one.name}/{concept} has {len(rows)} pictures, {shots} are wanted; use fewer --shots"
            )
        chosen.append(generator.permutation(rows)[: max(1, round(shots * shares[label]))])
    train = np.concatenate(chosen)
    test = np.flatnonzero(one.test) if one.test.any() else np.setdiff1d(np.arange(len(one.labels)), train)
    return Split(train, test)
