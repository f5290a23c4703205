"""Whatever was done to a store, in any order: the statistics kept on the way equal a rebuild, and so does the head."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.backbone.fake import CARD
from edge.engine import learning
from edge.engine.learning import Learner
from edge.errors import CannotTrain, EdgeError
from edge.head.background import Background
from edge.store import NewInput, Store

PICTURES = 9
CONCEPTS = ("a", "b", "c", "d")
ROWS = np.random.default_rng(3).integers(-128, 128, (PICTURES + 30, CARD.embedding.size)).astype(np.int8)
BEHIND = Background.from_embeddings(ROWS[PICTURES:], CARD.embedding, 10)
IDS = [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(PICTURES)]

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # nothing here is about the disk

numbers = st.integers(0, PICTURES - 1)
concepts = st.sampled_from(CONCEPTS)
said = st.dictionaries(concepts, st.sampled_from([1, 0, None]), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), numbers, said),
        st.tuples(st.just("annotate"), numbers, said),
        st.tuples(st.sampled_from(["remove", "restore"]), numbers),
        st.tuples(st.sampled_from(["add_concept", "remove_concept"]), concepts),
        st.tuples(st.sampled_from(["train", "restart", "month"])),
        st.tuples(st.just("rename"), concepts, st.sampled_from(["a", "x", "y"])),
    ),
    max_size=25,
)
kinds = st.tuples(st.booleans(), st.booleans())


@dataclass
class Device:
    """A store with one model, and the learner that follows it."""

    store: Store
    learner: Learner
    days: int = 0

    def do(self, verb: str, *given: object) -> None:
        getattr(self, verb)(*given)

    def add(self, number: int, values: dict[str, int | None]) -> None:
        known = {name: value for name, value in values.items() if value is not None}
        row = ROWS[number].tobytes()
        self.store.inputs.add([NewInput(bytes([number]), "image/png", 1, 1, "x", row, CARD.sha256, known)], by="user")

    def annotate(self, number: int, values: dict[str, int | None]) -> None:
        self.store.inputs.annotate(IDS[number], values, by="user")

    def remove(self, number: int) -> None:
        self.store.inputs.remove([IDS[number]], by="user")
        self.store.purge()

    def restore(self, number: int) -> None:
        self.store.inputs.restore([IDS[number]], by="user")

    def add_concept(self, name: str) -> None:
        self.store.models.add_concepts("m", [name])

    def remove_concept(self, name: str) -> None:
        self.store.models.remove_concepts("m", [name])

    def rename(self, name: str, new: str) -> None:
        self.store.inputs.rename_concept(name, new)

    def train(self) -> None:
        trained(self)

    def restart(self) -> None:
        self.learner = Learner(self.store, CARD, BEHIND)

    def month(self) -> None:
        self.days += 31


def trained(device: Device) -> tuple[object, ...]:
    """The sums after a training, and the head or why there is none."""
    info = device.store.models.get("m")
    try:
        head = device.learner._train(info)[1].head.to_bytes()
    except CannotTrain as error:
        head = str(error)
    kept = device.learner._kept
    assert kept is not None
    found = kept[1].statistics
    sums = [getattr(found, name).tobytes() for name in ("total", "scatter", "counts", "sums")]
    return found.concepts, found.n, kept[1].watermark, *sums, head


@pytest.fixture(scope="module", autouse=True)
def _snapshots():
    """Statistics go to disk at every training that has seen a change, so that a restart begins with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "SNAPSHOT_EVERY", 1)
        yield


def made(folder: str, device: list[Device]) -> Store:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return Store.open(Path(folder) / "store", clock=lambda: began + timedelta(days=device[0].days if device else 0))


@example((False, False), [("remove", 0), ("month",), ("remove", 1)])  # the first one's embedding is gone
@given(kinds, steps)
def test_any_sequence_of_changes_gives_the_sums_and_the_head_of_a_rebuild(kind, done):
    devices: list[Device] = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, made(folder, devices) as store:
        device = Device(store, Learner(store, CARD, BEHIND))
        devices.append(device)
        store.models.create("m", ["a", "b", "c"], mutually_exclusive=kind[0], closed_environment=kind[1])
        for number in range(PICTURES - 2):
            device.add(number, {"a": int(number % 3 == 0), "b": int(number % 3 == 1), "c": int(number % 3 == 2)})
        device.train()
        for step in done:
            try:
                device.do(*step)
            except EdgeError:
                continue  # refused, and then nothing may have changed either
        followed = trained(device)
        store.models.drop_snapshot("m")
        assert followed == trained(Device(store, Learner(store, CARD, BEHIND)))


def test_a_concept_is_added_and_removed_without_reading_what_stays_as_it_was(tmp_path, monkeypatch):
    with made(str(tmp_path), []) as store:
        device = Device(store, Learner(store, CARD, BEHIND))
        store.models.create("m", ["a"], mutually_exclusive=False, closed_environment=False)
        for number in range(6):
            device.add(number, {"a": number % 2})
        device.add(6, {"b": 1, "a": 0})
        device.add(7, {"b": 0})
        first = trained(device)
        device.restart()
        read: list[list[int]] = []
        original = Learner._embeddings
        monkeypatch.setattr(
            Learner, "_embeddings", lambda self, numbers: read.append(numbers) or original(self, numbers)
        )
        device.add_concept("b")
        trained(device)
        assert sorted(read[0]) == [7, 8]  # and then the sample for the evaluation
        device.remove_concept("b")
        assert trained(device) == first
