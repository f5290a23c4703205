"""One of several processes on one store: ``python sharing.py ROLE STORE SEED CALLS``; prints what was acknowledged."""

from __future__ import annotations

import json
import random
import sys

from edge import Engine
from edge.config import Config
from edge.errors import CannotTrain, NotTrained
from tests.integration.crashing import digest, labels, picture, split


def main(role: str, store: str, seed: int, calls: int) -> None:
    choose = random.Random(seed)
    with Engine.open(store, backbone="fake", config=Config(delegate="none", threads=1)) as engine:
        model = engine.model("colours") if role in ("train", "predict") else None
        for number in range(calls):
            values = labels(choose)
            if role == "add":
                pictures = [picture(seed, number, part) for part in range(3)]
                engine.add(pictures, *split(values))
                tell(ids=[digest(one) for one in pictures], values=values)
            elif role == "annotate":
                known = engine.inputs(limit=20)
                # a concept of its own: the order in which two processes name the same one is nobody's to know
                values = {f"process {seed}": choose.randint(0, 1)}
                id = choose.choice(known).id
                engine.annotate(id, *split(values))
                tell(ids=[id], values=values)
            elif role == "train":
                assert model is not None
                version = model.train()
                try:
                    tell(version=version.id, accuracy=version.evaluation is not None)
                except CannotTrain as error:
                    tell(version=version.id, failed=str(error))
            else:
                assert model is not None
                try:
                    tell(predicted=model.predict(picture(seed, number)).version)
                except NotTrained:
                    tell(predicted=None)


def tell(**record: object) -> None:
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
