"""The demo's photographs, cut from those inside scikit-image's wheel. Nothing is downloaded.

Each texture is cut by columns, so that no two groups share a pixel:

    x = 0 ......... 204 ....... 306 ......... 510
      taught         field       held out
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

GROUNDS = ("brick", "grass", "gravel")
STRANGERS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
FAR, CLOSE = 102, 25
"""Sides in pixels of the crops: the second is the same ground from four times closer."""

TAUGHT_FACES = 12
HELD_OUT_FACES = 40

Box = tuple[int, int, int, int]


def boxes() -> dict[str, list[Box]]:
    """Group -> (left, top, right, bottom) of its crops, the same in every texture."""
    field = _grid(CLOSE, 205, 305)
    closer = _grid(CLOSE, 306, 510)
    return {
        "taught": _grid(FAR, 0, 204),
        "field": [field[13], field[53]],
        "held-out": _grid(FAR, 306, 510),
        "closer": closer[:: len(closer) // 12][:12],
    }


def cut(folder: Path) -> None:
    """Fill ``folder`` with the groups: a folder per concept, but ``field`` and ``strangers``, which carry no names."""
    source = _data()
    for ground in GROUNDS:
        with Image.open(source / f"{ground}.png") as texture:
            for group, places in boxes().items():
                for number, box in enumerate(places, start=1):
                    if group == "field":
                        path = folder / "field" / f"{ground}-{number}.png"
                    else:
                        path = folder / group / ground / f"{number:02}.png"
                    _save(texture.crop(box), path)
    for name in STRANGERS:
        (folder / "strangers").mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, folder / "strangers" / name)
    _faces(np.load(source / "lfw_subset.npy"), folder)


def _faces(pictures: np.ndarray, folder: Path) -> None:
    """200 grey pictures of 25 x 25 pixels, floats in [0, 1]: 100 faces, then 100 that are none."""
    for name, start in (("face", 0), ("other", 100)):
        for number in range(TAUGHT_FACES + HELD_OUT_FACES):
            group = "faces-taught" if number < TAUGHT_FACES else "faces-held-out"
            grey = (pictures[start + number] * 255).round().astype(np.uint8)
            _save(Image.fromarray(grey), folder / group / name / f"{number + 1:02}.png")


def _grid(side: int, left: int, right: int) -> list[Box]:
    return [
        (x, y, x + side, y + side) for x in range(left, right - side + 1, side) for y in range(0, 510 - side + 1, side)
    ]


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _data() -> Path:
    """The wheel's folder of pictures; ``skimage.data`` itself is not imported, some of it would use the network."""
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise SystemExit("scikit-image is not installed; run scripts/demo, or: pip install scikit-image")
    return Path(found.origin).parent / "data"
