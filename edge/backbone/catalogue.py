"""Backbones by name: the packaged ones, and folders of adopted and released ones that are searched first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edge.backbone.card import PLAIN_NAME, read_card
from edge.errors import BadBackbone, NotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.backbone.base import Backbone
    from edge.config import Config
    from edge.errors import EdgeError
    from edge.types import BackboneCard

# name -> class, for backbones that are code and not a file
BUILTIN = {"fake": "edge.backbone.fake:FakeBackbone"}


def folders(config: Config) -> tuple[Path, ...]:
    """Where backbones are looked for, in order: the configured folders, the wheel's models, the source tree's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "models" if (package / "models").is_dir() else package.parent / "models"
    return (*(Path(one) for one in (config.backbones or "").split(os.pathsep) if one), packaged)


def cards(config: Config, broken: list[EdgeError] | None = None) -> Iterator[tuple[Path, BackboneCard]]:
    """(folder, card) of every backbone found; a name found twice counts where it is found first.

    Cards that cannot be read are left out; ``broken`` is given what is wrong with each, its file named.
    """
    seen = set()
    for folder in folders(config):
        for path in sorted(folder.glob("*.toml")):
            if path.stem not in seen and path.with_suffix(".tflite").exists():
                seen.add(path.stem)
                try:
                    card = read_card(path)
                except (BadBackbone, NotFound) as error:
                    if broken is not None:
                        broken.append(error)
                    continue
                yield folder, card


def find_card(name: str, config: Config) -> tuple[Path, BackboneCard]:
    """(folder, card) of one backbone. Raises NotFound, listing the names there are."""
    for folder in folders(config):
        path = folder / f"{name}.toml"
        if PLAIN_NAME.match(name) and path.is_file():
            return folder, read_card(path)
    known = sorted({path.stem for folder in folders(config) for path in folder.glob("*.toml")})
    raise NotFound(f"no backbone {name[:128]!r}; there are: {', '.join(known) or 'none'}")


def open_backbone(name: str, config: Config) -> Backbone:
    """Open a backbone by name. Raises NotFound, BadBackbone (sha256 differs from the card), RuntimeMissing,
    HardwareMissing."""
    if name in BUILTIN:
        module, _, attribute = BUILTIN[name].partition(":")
        built: Backbone = getattr(import_module(module), attribute)()
        return built
    from edge.backbone.tflite import TfliteBackbone

    folder, card = find_card(name, config)
    return TfliteBackbone(
        card,
        read_verified(folder, card),
        runtime=config.runtime,
        delegate=config.delegate,
        threads=config.threads,
        quiet=config.quiet,
    )


def read_verified(folder: Path, card: BackboneCard) -> bytes:
    """The file's bytes, once their sha256 is the card's. Raises BadBackbone."""
    from edge.backbone.runtime import read_file

    path = folder / f"{card.name}.tflite"
    data = read_file(path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.sha256:
        raise BadBackbone(
            f"{path} is not the file its card describes (sha256 {digest[:12]} instead of {card.sha256[:12]}); "
            "copy both files again"
        )
    return data


def background(folder: Path, card: BackboneCard) -> NDArray[np.int8] | None:
    """(n, d) int8 background embeddings of a card, or None where it has none. Raises BadBackbone."""
    if card.background is None:
        return None
    rows = _embeddings(folder / card.background, card)
    if len(rows) <= card.held_back:
        raise BadBackbone(
            f"{folder / card.background} has {len(rows)} rows but its card holds back {card.held_back}; copy both again"
        )
    return rows


def golden(folder: Path, card: BackboneCard) -> NDArray[np.int8] | None:
    """(n, d) int8 golden embeddings of a card, or None where it has none. Raises BadBackbone."""
    return None if card.golden is None else _embeddings(folder / card.golden, card)


def _embeddings(path: Path, card: BackboneCard) -> NDArray[np.int8]:
    import numpy as np

    try:
        array: NDArray[np.int8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadBackbone(f"{path} cannot be read ({error}); copy it again") from error
    if array.dtype != np.int8 or array.ndim != 2 or array.shape[1] != card.embedding.size:
        raise BadBackbone(f"{path} does not hold (n, {card.embedding.size}) int8 embeddings; copy it again")
    return array
