"""Devices that meet over a remote that fails: what was acknowledged anywhere must be everywhere in the end, once.

Used by the tests for a short while, and by ``scripts/bench sync-faults`` for long.
"""

from __future__ import annotations

import io
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from edge import Engine
from edge.config import Config
from edge.engine.syncing import Syncing
from edge.errors import EdgeError
from edge.sync.remotes.base import Remote
from edge.sync.remotes.memory import Bucket, MemoryRemote
from edge.sync.transfer import Patience, Transfer
from tests.object_servers import FATES, CuttingProxy, S3Server

CONFIG = Config(delegate="none", threads=1)
CONCEPTS = ("red", "green")


class Clock:
    """Nobody waits here."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def picture(seed: int | tuple[int, ...]) -> bytes:
    """A small PNG no other seed gives."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


class Device:
    """A store with one remote, and what was acknowledged in it."""

    def __init__(
        self,
        path: Path,
        url: str,
        environ: Mapping[str, str] | None = None,
        *,
        attempts: int = 1,
        backbone: str = "fake",
    ) -> None:
        self.path, self.url, self.environ = path, url, environ or {}
        self.attempts = attempts
        self.engine = Engine.open(path, backbone=backbone, config=CONFIG)
        self.said: dict[str, dict[str, int]] = {}

    def close(self) -> None:
        self.engine.close()

    def add(self, *seeds: int | tuple[int, ...], **labels: int) -> None:
        """Pictures with these seeds, labelled."""
        shown = [name for name, value in labels.items() if value]
        hidden = [name for name, value in labels.items() if not value]
        for one in self.engine.add([picture(seed) for seed in seeds], shown, hidden).inputs:
            self.said.setdefault(one.id, {}).update(labels)

    def join(self) -> None:
        """Add the remote, calmly."""
        Syncing(self.engine, self.environ).remotes.add("home", self.url, "all")

    def sync(self, **options: Any) -> Any:
        """One meeting."""
        transfer = partial(Transfer, clock=Clock(), patience=Patience(attempts=self.attempts), chance=random.Random(1))
        return Syncing(self.engine, self.environ, transfer).sync("home", **options)

    def try_sync(self) -> bool:
        """One meeting that may fail; whether it did not."""
        with suppress(EdgeError):
            return not self.sync().refused
        return False

    def labels(self) -> dict[str, dict[str, int]]:
        """What the store says of every input that can be learnt from."""
        return {one.id: {a.concept_id: a.value for a in one.annotations} for one in self.engine.inputs()}

    def complaints(self) -> list[str]:
        """What the doctor says that is not "ok"."""
        from tests.integration.crashing import complaints

        return list(complaints(self.engine))


@dataclass
class Counts:
    """What a fault run looked at, and what it found missing or twice."""

    cuts: int = 0
    pictures: int = 0
    labels: int = 0
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    def check(self, devices: list[Device], keys: list[str]) -> None:
        """After the last meetings: everybody has everything that anybody was told is kept, once."""
        expected: dict[str, dict[str, int]] = {}
        for device in devices:
            for id, labels in device.said.items():
                expected.setdefault(id, {}).update(labels)
        for device in devices:
            found = device.labels()
            self.pictures += len(expected)
            self.labels += sum(map(len, expected.values()))
            for id, labels in expected.items():
                missing = len(labels.items() - found.get(id, {}).items()) + (id not in found)
                self.lost += missing
                if missing:
                    self.problems.append(f"{device.path.name}: {id} is {found.get(id)}, not {labels}")
            self.doubled += len(found.keys() - expected.keys())
            digests = Counter(one.sha256 for one in device.engine.inputs())
            self.doubled += sum(count - 1 for count in digests.values())
            self.problems += [f"{device.path.name}: {one}" for one in device.complaints()]
        blobs = Counter(key.rpartition("/")[2] for key in keys if "/blobs/" in key)
        self.doubled += sum(count - 1 for count in blobs.values())

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or complained about."""
        return not (self.lost or self.doubled or self.problems)


@contextmanager
def faulty(bucket: Bucket, faults: Callable[[str, str], str]):
    """Every remote that is opened is this bucket, and fails so."""
    remotes: list[MemoryRemote] = []

    def opened(*_: object) -> Remote:
        remotes.append(MemoryRemote(bucket, faults=faults))
        return remotes[-1]

    with mock.patch("edge.engine.remotes.open_remote", opened):
        yield remotes


def nth(number: int, fault: str) -> Callable[[str, str], str]:
    """A fault at one request and at none after it."""
    left = [number]

    def faults(_verb: str, _key: str) -> str:
        left[0] -= 1
        return fault if left[0] == -1 else ""

    return faults


def settle(devices: list[Device], rounds: int = 3) -> None:
    """Meetings without faults until everybody has heard of everything."""
    for _ in range(rounds):
        for device in devices:
            met = device.sync()
            assert not met.refused, met.refused
            assert not any("new device" in note for note in met.notes), met.notes


def cut_at(folder: Path, number: int, fault: str, counts: Counts) -> bool:
    """Two devices meet over a bucket that fails once, at the so-many-th request; False when there are fewer.

    After the cut both say more, as people do who do not know that anything went wrong.
    """
    bucket, faults = Bucket(), nth(number, fault)
    devices = [Device(folder / name, "memory://home") for name in "ab"]
    try:
        with faulty(bucket, lambda *_: ""):
            for device in devices:
                device.join()
        devices[0].add(1, 2, red=1)
        devices[0].add(3)
        devices[1].add(4, red=0, green=1)
        with faulty(bucket, faults) as remotes:
            for device in (*devices, devices[0]):
                device.try_sync()
            made = sum(len(one.requests) for one in remotes)
        if made <= number:
            return False
        devices[0].add(5, green=0)
        devices[1].add(4, 6, red=0)
        with faulty(bucket, lambda *_: ""):
            settle(devices)
        counts.cuts += 1
        counts.check(devices, bucket.names())
    finally:
        for device in devices:
            device.close()
    return True


# --- through a server ------------------------------------------------------------------------------------------------

ENVIRON = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}


def server_cut_at(folder: Path, server: S3Server, number: int, fate: str, counts: Counts) -> bool:
    """As ``cut_at``, with a real server behind a proxy."""
    bucket = f"cut-{os.urandom(6).hex()}"
    server.make_bucket(bucket)
    met: list[int] = []

    def fates(_number: int, _verb: str, _path: str) -> str:
        met.append(1)
        return fate if len(met) == number + 1 else ""

    with CuttingProxy(server.port, lambda *_: "") as proxy:
        devices = [Device(folder / name, server.url(bucket, proxy.port), ENVIRON) for name in "ab"]
        try:
            for device in devices:
                device.join()
            devices[0].add(1, 2, red=1)
            devices[1].add(4, red=0, green=1)
            proxy.fate = fates
            for device in (*devices, devices[0]):
                device.try_sync()
            if len(met) <= number:
                return False
            proxy.fate = lambda *_: ""
            devices[0].add(5, green=0)
            settle(devices, 2)
            counts.cuts += 1
            counts.check(devices, server.keys(bucket))
        finally:
            for device in devices:
                device.close()
    return True


def server_in_trouble(folder: Path, server: S3Server, seed: int, share: float, counts: Counts) -> Counter[str]:
    """Meetings over a server of whose requests a share meets some fate or other; then calm ones. Returns the fates."""
    bucket, chance = f"trouble-{os.urandom(6).hex()}", random.Random(seed)
    server.make_bucket(bucket)
    with CuttingProxy(server.port, lambda *_: "") as proxy:
        devices = [Device(folder / name, server.url(bucket, proxy.port), ENVIRON, attempts=4) for name in "abc"]
        try:
            for device in devices:
                device.join()
            proxy.fate = lambda *_: chance.choice(FATES) if chance.random() < share else ""
            for turn in range(3):
                for place, device in enumerate(devices):
                    device.add(*(10 * turn + place + step for step in range(2)), **{CONCEPTS[turn % 2]: place % 2})
                    device.try_sync()
            proxy.fate = lambda *_: ""
            # the later word wins; who spoke last of a picture that several added is for the stores to agree on
            settle(devices, 2)
            agree(devices)
            counts.cuts += sum(fate != "" for _, _, fate in proxy.requests)
            counts.check(devices, server.keys(bucket))
            return Counter(fate for _, _, fate in proxy.requests if fate)
        finally:
            for device in devices:
                device.close()


def agree(devices: list[Device]) -> None:
    """Where several spoke of one picture, what they must agree on is what one of them said."""
    there = devices[0].labels()
    for device in devices:
        for id, labels in device.said.items():
            for concept in labels:
                said = {one.said.get(id, {}).get(concept) for one in devices} - {None}
                if there.get(id, {}).get(concept) in said:
                    labels[concept] = there[id][concept]


# --- killed ----------------------------------------------------------------------------------------------------------


def killed_often(
    folder: Path, url: str, seed: int, kills: int, counts: Counts, environ: Mapping[str, str] | None = None
) -> None:
    """A device in the field is killed at random moments; then it and another one at home meet calmly."""
    from tests.integration.field import killed

    chance = random.Random(seed)
    devices = [Device(folder / name, url, environ) for name in ("field", "home")]
    try:
        for device in devices:
            device.join()
        field, home = devices
        for kill in range(kills):
            field.close()
            records = killed(field.path, url, 1000 * seed + kill, chance.uniform(0.01, 0.6), environ)
            field.engine = Engine.open(field.path, backbone="fake", config=CONFIG)
            for record in records:
                for id, labels in record.get("done", {}).items():
                    field.said.setdefault(id, {}).update(labels)
            if "begin" in records[-1]:  # nobody knows; the store does
                for id, labels in field.labels().items():
                    field.said.setdefault(id, labels)
            home.try_sync()
            counts.cuts += 1
        settle(devices, 2)
        counts.check(devices, keys_of(home))
    finally:
        for device in devices:
            device.close()


def keys_of(device: Device) -> list[str]:
    """Every key of a device's remote."""
    remotes = Syncing(device.engine, device.environ).remotes
    remote = remotes.open(remotes.registry.get("home"))
    try:
        found: list[str] = []
        while page := remote.page("edge/1/", after=found[-1] if found else ""):
            found += [one.key for one in page]
        return found
    finally:
        remote.close()
