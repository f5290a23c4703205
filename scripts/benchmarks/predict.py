"""A whole prediction beside the bare ``invoke`` of the same file: same threads, same run, taken in turns."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import Goal, camera_jpeg, machine, paired, photograph, spread, taught, verdicts
from PIL import Image

from edge import Engine
from edge.backbone import catalogue, runtime
from edge.config import DEFAULT_BACKBONE, Config
from edge.image import prepare
from trainer.tables import print_table

GOALS = {"224 x 224 array": 1.15, "1080p array": 2.0, "12-megapixel JPEG": 0.2}
FULL, BARE = "full decode, resize, invoke", "bare invoke"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer repeats")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--repeats", type=int, help="how often everything is taken in turns")
    arguments.add_argument("--backbone", default=DEFAULT_BACKBONE)
    asked = arguments.parse_args()
    repeats = asked.repeats or (60 if asked.quick else 400)
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        pictures = make_pictures(Path(place))
        goals = []
        for threads in asked.threads:
            goals += measure(Path(place) / f"store-{threads}", asked.backbone, threads, pictures, repeats)
    verdicts(goals)


def make_pictures(place: Path) -> dict[str, Any]:
    """The same photograph in three forms; the JPEG as a path, because that is what people give."""
    photo = photograph("coffee.png")
    jpeg = place / "camera.jpg"
    jpeg.write_bytes(camera_jpeg())
    print(f"JPEG: 4000 x 3000 pixels, {jpeg.stat().st_size / 1e6:.1f} MB")
    return {
        "224 x 224 array": np.asarray(photo.resize((224, 224), Image.Resampling.BICUBIC)),
        "1080p array": np.asarray(photo.resize((1920, 1080), Image.Resampling.BICUBIC)),
        "12-megapixel JPEG": jpeg,
    }


def measure(store: Path, backbone: str, threads: int, pictures: dict[str, Any], repeats: int) -> list[Goal]:
    config = Config(threads=threads, delegate="none")
    with Engine.open(store, backbone=backbone, config=config) as engine:
        model = taught(engine)
        data = catalogue.read_verified(*catalogue.find_card(backbone, config))
        bare = Bare(data, threads, engine.card.preprocessing.width)
        print(f"\n{engine.backbone.runtime}, {backbone}, {len(model.info.concepts)} concepts, {repeats} repeats")
        times, parts = {}, {}
        for name, picture in pictures.items():
            runs = {BARE: bare.invoke, "whole": whole(model, picture), "prepare": preparing(engine, picture)}
            if isinstance(picture, Path):
                runs[FULL] = lambda picture=picture: bare.full(picture)
            times[name] = paired(runs, repeats=repeats // 4 if isinstance(picture, Path) else repeats)
            parts[name] = np.median(times[name]["prepare"])
    return report(times, threads)


def whole(model: Any, picture: Any) -> Callable[[], Any]:
    return lambda: model.predict(picture)


def preparing(engine: Any, picture: Any) -> Callable[[], Any]:
    preprocessing = engine.card.preprocessing
    return lambda: prepare(picture, preprocessing)


class Bare:
    """The file in an interpreter of its own, with nothing of ours around it."""

    def __init__(self, data: bytes, threads: int, side: int) -> None:
        self._interpreter = runtime.start(data, runtime=runtime.choose("auto"), threads=threads)
        self._input = self._interpreter.get_input_details()[0]
        self._side = side
        self.invoke = self._interpreter.invoke

    def full(self, path: Path) -> None:
        """What one writes without an engine: every pixel decoded, then resized, then invoked."""
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((self._side, self._side), Image.Resampling.BICUBIC))
        tensor = pixels if self._input["dtype"] == np.uint8 else (pixels.astype(np.int16) - 128).astype(np.int8)
        self._interpreter.set_tensor(self._input["index"], tensor[np.newaxis])
        self._interpreter.invoke()


def report(times: dict[str, dict[str, np.ndarray]], threads: int) -> list[Goal]:
    rows, goals = [], []
    for name, runs in times.items():
        for run, values in runs.items():
            rows.append((name, run, *spread(values)))
        against = FULL if FULL in runs else BARE
        ratio = runs["whole"] / runs[against]
        rows.append((name, f"whole / {against}", *spread(ratio, 3)))
        goals.append(Goal(f"{name}, {threads} thread(s): whole / {against}", float(np.median(ratio)), GOALS[name]))
    print_table(("picture", "milliseconds of", "min", "median", "p90"), rows)
    return goals


if __name__ == "__main__":
    main()
