"""A power cut at any moment loses nothing that was acknowledged: what was not fsynced is dropped, the rest reopened."""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge import Engine
from edge.errors import StoreUnavailable
from edge.types import VersionStatus
from tests.integration.crashing import Expected, Workers, complaints, later, picture
from tests.integration.cutfs import Mount, missing

CALLS = 90
CUTS = 60

pytestmark = pytest.mark.powercut


@pytest.fixture
def mount(tmp_path):
    lacking = missing()
    if lacking and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)
    with Mount(tmp_path / "mount") as mounted:
        yield mounted


# --- the simulation itself -------------------------------------------------------------------------------------------


def test_a_cut_drops_what_was_never_synced(mount, tmp_path):
    (mount.folder / "a").write_bytes(b"x" * 5000)
    assert list(mount.cut(tmp_path / "after").iterdir()) == []


def test_a_cut_drops_the_name_of_a_synced_file_in_an_unsynced_folder(mount, tmp_path):
    _write(mount.folder / "a", b"x" * 5000)
    assert list(mount.cut(tmp_path / "after").iterdir()) == []


def test_a_cut_keeps_a_synced_file_in_a_synced_folder(mount, tmp_path):
    _write(mount.folder / "a", b"x" * 5000)
    _sync(mount.folder)
    (mount.folder / "a").write_bytes(b"y" * 9000)
    assert (mount.cut(tmp_path / "after") / "a").read_bytes() == b"x" * 5000


def test_a_random_cut_may_keep_some_of_the_unsynced_pages(mount, tmp_path):
    _write(mount.folder / "a", b"x" * 4096 * 20)
    _sync(mount.folder)
    with (mount.folder / "a").open("r+b") as file:
        file.write(b"y" * 4096 * 20)
    left = (mount.cut(tmp_path / "after", seed=3) / "a").read_bytes()
    assert set(left) == set(b"xy")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


# --- the store -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["strict", "random"])
def test_nothing_acknowledged_is_lost_in_a_power_cut(mount, tmp_path, config, how):
    moments = random.Random(how)
    when = sorted(moments.sample(range(2 * CALLS), CUTS))
    cuts: list[tuple[int, Path]] = []

    def watch(count: int) -> None:
        if when and count >= when[0]:
            when.pop(0)
            time.sleep(moments.uniform(0, 0.01))
            seed = None if how == "strict" else count
            cuts.append((count, mount.cut(tmp_path / f"cut{count}", seed)))

    with Workers() as workers:
        records = workers.run(mount.folder / "store", seed=5, calls=CALLS, watch=watch)
    assert len(cuts) == CUTS
    states = _states(records)
    assert VersionStatus.TRAINED.value in states[-1].versions.values()
    for count, left in cuts:
        acknowledged = sum("done" in record for record in records[:count])
        with Engine.open(left / "store", backbone="fake", config=config) as engine:
            tellings = [state.missing(engine) for state in copy.deepcopy(states[acknowledged:])]
            assert [] in tellings, f"after {acknowledged} acknowledged calls: {tellings[0]}"
            assert list(complaints(engine)) == []


def _states(records: list[dict[str, Any]]) -> list[Expected]:
    """What must be there after no call, after the first, after the second ..."""
    found = [Expected()]
    for record in records:
        assert "failed" not in record, record
        if "done" in record:
            found.append(copy.deepcopy(found[-1]))
            found[-1].take([record])
    return found


def test_a_power_cut_while_the_backbone_changes_leaves_the_old_or_the_new_one(mount, tmp_path, config, monkeypatch):
    _second_fake(monkeypatch)
    cuts = []
    with Engine.open(mount.folder / "store", backbone="fake", config=config) as engine:
        engine.add([picture(number) for number in range(40)], concepts=["a"])
        engine.use_backbone("other", progress=lambda done, _: cuts.append(mount.cut(tmp_path / f"cut{done}", done)))
        cuts.append(mount.cut(tmp_path / "after"))
    names = []
    for left in cuts:
        with Engine.open(left / "store", config=config) as engine:
            names.append(engine.backbone_name)
            assert list(complaints(engine)) == []
            assert len(engine.inputs(concept="a")) == 40
    assert names == ["fake"] * (len(cuts) - 1) + ["other"]


def _second_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from edge.backbone import catalogue
    from edge.backbone.fake import CARD, FakeBackbone

    other = replace(CARD, name="other", sha256="1" * 64)
    real = catalogue.open_backbone
    monkeypatch.setattr(catalogue, "BUILTIN", {**catalogue.BUILTIN, "other": "patched below"})
    monkeypatch.setattr(
        catalogue, "open_backbone", lambda name, config: FakeBackbone(other) if name == "other" else real(name, config)
    )


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["add", "annotate", "train"])
def test_a_disk_that_is_full_at_any_point_leaves_nothing_half_written(mount, config, verb):
    finished = 0
    with Engine.open(mount.folder / "store", backbone="fake", config=config) as engine:
        engine.add([picture(0, number) for number in range(4)], concepts=["a"])
        engine.add([picture(1, number) for number in range(4)], not_concepts=["a"])
        engine.create_model("m", ["a"])
        engine.model("m").train().wait()
        calls = _calls(engine)
        for attempt, room in enumerate(range(0, 93_000, 3_100)):
            before = _everything(engine)
            mount.leave(room)
            try:
                calls[verb](attempt)
                finished += 1
            except StoreUnavailable as error:
                assert "full" in str(error) or "space" in str(error)
                assert _everything(engine)[:2] == before[:2]
            finally:
                mount.leave(None)
            assert not list((mount.folder / "store").rglob(".tmp-*"))
    assert finished > 0
    with Engine.open(mount.folder / "store", config=config, clock=later) as engine:
        assert list(complaints(engine)) == []
        assert all(one.status.finished for one in engine.model("m").versions())
        assert engine.model("m").train().wait().status is VersionStatus.TRAINED


def _calls(engine: Engine) -> dict[str, Callable[[int], object]]:
    first = engine.inputs()[0].id
    return {
        "add": lambda attempt: engine.add([picture(2, attempt, number) for number in range(3)], concepts=["b"]),
        "annotate": lambda attempt: engine.annotate(first, concepts=[f"concept {attempt}"]),
        "train": lambda _: engine.model("m").train().evaluation,
    }


def _everything(engine: Engine) -> tuple[object, ...]:
    return engine.inputs(), engine.concepts(), [one.info for one in engine.model("m").versions()]
