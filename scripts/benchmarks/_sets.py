"""What the benchmarks of the head share: options, sets with cached embeddings, splits."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from _common import machine

from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE, Config
from trainer.comparison import Judge
from trainer.sets import LabelledSet, Split, few_shot, find_sets, load_set

CACHE = Path(".cache/bench")


def options(about: str | None, **defaults: int) -> argparse.Namespace:
    """The command line every benchmark of the head understands."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of concepts, or of such folders")
    parser.add_argument("--shots", type=int, default=defaults.get("shots", 10))
    parser.add_argument("--seeds", type=int, default=defaults.get("seeds", 5))
    parser.add_argument("--unequal", action="store_true", help="concepts have a fifth to all of the shots")
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    parser.add_argument("--no-float", action="store_true", help="leave out FP32 where it is compared; it needs torch")
    return parser.parse_args()


class Bench:
    """The backbone, and the sets under it."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        print(machine())
        self._chosen = chosen
        config = Config(threads=1)
        folder, self.card = catalogue.find_card(chosen.backbone, config)
        self.backbone = catalogue.open_backbone(chosen.backbone, config)
        self.background = catalogue.background(folder, self.card)

    def sets(self) -> Iterator[LabelledSet]:
        """Each set with its INT8 embeddings, saying so as it goes."""
        for path in find_sets(self._chosen.data):
            one = load_set(path, self.card.preprocessing, self.backbone.embed, CACHE, self.card.sha256)
            print(f"{one.name}: {len(one.labels)} pictures, {len(one.concepts)} concepts", flush=True)
            yield one

    def splits(self, one: LabelledSet) -> list[Split]:
        seeds, unequal = range(self._chosen.seeds), self._chosen.unequal
        return [few_shot(one, self._chosen.shots, seed, unequal=unequal) for seed in seeds]

    def judge(self, one: LabelledSet) -> Judge:
        return Judge(one, self.card, self.background)
