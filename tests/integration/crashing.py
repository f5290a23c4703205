"""Real processes that work on a store and say what was acknowledged, to be killed at any moment.

``Worker``s are forked by one process that has everything imported, so that a kill costs milliseconds. Each line of a
worker's is one record: ``begin`` before a call, ``done`` after it returned. What ``done`` says must never be lost; the
last ``begin`` without its ``done`` may have happened or not.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CONCEPTS = ("red", "green", "odd")
MODEL = "colours"


# --- in the worker ---------------------------------------------------------------------------------------------------


def work(store: str, seed: int, calls: int, say: Any) -> None:
    """Open a store and call the engine in random order; ``say`` gets the records."""
    from edge import Engine
    from edge.config import Config
    from edge.errors import CannotTrain, Conflict

    choose = random.Random(seed)
    with Engine.open(store, backbone="fake", config=Config(delegate="none", threads=1)) as engine:
        if MODEL not in {model.name for model in engine.models()}:
            with suppress(Conflict):
                engine.create_model(MODEL, CONCEPTS[:2])
        for number in range(calls):
            known = [one.id for one in engine.inputs(limit=50)]
            verb = choose.choices(("add", "annotate", "train", "remove"), (4, 5, 2, 1))[0] if known else "add"
            if verb == "add":
                pictures = [picture(seed, number, part) for part in range(choose.randint(1, 3))]
                record = {"verb": verb, "ids": [digest(one) for one in pictures], "values": labels(choose)}
                say("begin", record)
                engine.add(pictures, *split(record["values"]))
            elif verb == "annotate":
                record = {"verb": verb, "ids": [choose.choice(known)], "values": labels(choose)}
                say("begin", record)
                engine.annotate(record["ids"][0], *split(record["values"]))
            elif verb == "train":
                say("begin", {"verb": verb})
                version = engine.model(MODEL).train()
                with suppress(CannotTrain):
                    _ = version.evaluation
                record = {"verb": verb, "version": version.id, "status": version.status.value}
            else:
                record = {"verb": verb, "ids": [choose.choice(known)]}
                say("begin", record)
                engine.remove(record["ids"])
            say("done", record)


def picture(*seed: int) -> bytes:
    """A small PNG no other seed gives."""
    import io

    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def digest(data: bytes) -> str:
    """The id an input of these bytes gets."""
    import hashlib

    return hashlib.sha256(data).hexdigest()[:32]


def labels(choose: random.Random) -> dict[str, int]:
    return {name: choose.randint(0, 1) for name in choose.sample(CONCEPTS, choose.randint(1, 3))}


def split(values: dict[str, int]) -> tuple[list[str], list[str]]:
    return [name for name, one in values.items() if one], [name for name, one in values.items() if not one]


def serve() -> None:
    """Fork a worker for every line (store, seed, calls) of standard input; say its process and when it has ended."""
    import edge.engine.learning  # noqa: F401
    from edge.backbone import fake  # noqa: F401

    picture(0)
    for line in sys.stdin:
        store, seed, calls = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(store, seed, calls, lambda kind, record: tell({kind: record}))
                code = 0
            except BaseException as error:  # noqa: BLE001 the parent is told
                tell({"failed": f"{type(error).__name__}: {error}"})
            finally:
                os._exit(code)
        tell({"started": child})
        _, status = os.waitpid(child, 0)
        tell({"ended": status})


def tell(record: dict[str, Any]) -> None:
    """One record, in one write, so that records of two processes never mix."""
    os.write(1, json.dumps(record).encode() + b"\n")


# --- in the process that kills ---------------------------------------------------------------------------------------


class Workers:
    """The forking process. Use it as a context manager."""

    def __enter__(self) -> Workers:
        root = Path(__file__).parents[2]
        self._server = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.kill()
        self._server.wait()

    def run(
        self,
        store: Path,
        *,
        seed: int,
        calls: int = 1000,
        kill: tuple[int, float] | None = None,
        watch: Callable[[int], None] = lambda _: None,
    ) -> list[dict[str, Any]]:
        """A worker's records; ``kill``: after so many of them, and then so many seconds, it is killed.

        ``watch`` is called with their number each time one comes, while the worker goes on.
        """
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([str(store), seed, calls]).encode() + b"\n")
        self._server.stdin.flush()
        records: list[dict[str, Any]] = []
        child, alive = 0, True
        for line in self._server.stdout:
            record = json.loads(line)
            if "ended" in record:
                return records
            if "started" in record:
                child = record["started"]
            else:
                records.append(record)
            watch(len(records))
            if kill is not None and alive and len(records) >= kill[0]:
                alive = False
                time.sleep(kill[1])
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        raise AssertionError("the forking process died")


@dataclass
class Expected:
    """What a store must hold after all that was acknowledged. ``open`` is the call nobody knows the end of."""

    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    acknowledged: int = 0
    doubt: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, records: list[dict[str, Any]]) -> None:
        """Read a worker's records; its unfinished call may have happened or not, until the store was looked at."""
        for position, record in enumerate(records):
            assert "failed" not in record, record["failed"]
            if "done" in record:
                self._done(record["done"])
                self.acknowledged += 1
            elif position == len(records) - 1:
                for id in record["begin"].get("ids", ()):
                    self.doubt.setdefault(id, []).append(record["begin"])

    def _done(self, call: dict[str, Any]) -> None:
        for id in call.get("ids", ()):
            if call["verb"] == "remove":
                self.labels.pop(id, None)
            else:
                self.labels.setdefault(id, {}).update(call["values"])
        if call["verb"] == "train":
            self.versions[call["version"]] = call["status"]

    def missing(self, engine: Any) -> list[str]:
        """What was acknowledged and is not in the store, and how what was in doubt turned out."""
        found = {one.id: {a.concept_id: a.value for a in one.annotations} for one in engine.inputs()}
        for id in self.doubt:  # the store decides what nobody acknowledged, but it may not invent anything
            allowed = [self.labels.get(id)]
            for call in self.doubt[id]:
                if call["verb"] == "remove":
                    allowed.append(None)
                else:
                    allowed.append({**self.labels.get(id, {}), **call["values"]})
            if found.get(id) not in allowed:
                return [f"{id} is {found.get(id)}, neither of {allowed}"]
            if id in found:
                self.labels[id] = found[id]
            else:
                self.labels.pop(id, None)
        self.doubt = {}
        lost = [f"{id} is {found.get(id)}, not {said}" for id, said in self.labels.items() if found.get(id) != said]
        lost += [f"{id} was never added" for id in found.keys() - self.labels.keys()]
        there = {one.id: one.status.value for model in engine.models() for one in model.versions()}
        return lost + [f"{id} is {there.get(id)}" for id, status in self.versions.items() if there.get(id) != status]


def complaints(engine: Any) -> Iterator[str]:
    """What the doctor says about the store that is not "ok"; free space is not the store's."""
    from edge.engine.health import _store

    for finding in _store(engine, False):
        if finding.level != "ok" and finding.check != "space":
            yield f"{finding.check}: {finding.message}"


def later() -> datetime:
    """A clock two hours ahead: what a crash left counts as left for good."""
    return datetime.now(UTC) + timedelta(hours=2)


if __name__ == "__main__":
    serve()
