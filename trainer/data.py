"""Folders of pictures as arrays: a folder per concept, or flat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.errors import NotFound
from edge.image import SUFFIXES, prepare
from edge.types import Preprocessing


def pictures(folder: Path) -> list[Path]:
    """Image files of a folder, not recursive, sorted by name. Raises NotFound when there is none."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise NotFound(f"no pictures in {folder}; give a folder with JPEG or PNG files")
    return found


def shuffled(paths: list[Path]) -> list[Path]:
    """A stable order that has nothing to do with the names."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())


def concept_folders(folder: Path) -> list[Path]:
    """Sub-folders, one per concept; of ``train`` where the folder is split. Raises NotFound."""
    root = folder / "train" if (folder / "train").is_dir() else folder
    found = sorted(path for path in root.glob("*") if path.is_dir())
    if not found:
        raise NotFound(f"no concept folders in {folder}; make one folder per concept and put its pictures inside")
    return found


def embed_all(
    paths: list[Path],
    preprocessing: Preprocessing,
    embed: Callable[[NDArray[np.uint8]], NDArray[np.generic]],
    what: str,
) -> NDArray[np.generic]:
    """(n, d) embeddings of files, with a progress bar."""
    rows = [embed(prepare(path, preprocessing)) for path in tqdm(paths, desc=what, disable=None, leave=False)]
    return np.stack(rows)
