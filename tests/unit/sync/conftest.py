"""Devices around one bucket in memory."""

import pytest

from edge.engine.syncing import Syncing
from edge.sync.remotes.memory import Bucket
from tests.integration.meetings import Device, faulty


class Fleet:
    """Devices around one bucket; ``faults`` may be changed at any time."""

    def __init__(self, folder, bucket=None):
        self.folder = folder
        self.bucket = bucket or Bucket()
        self.faults = lambda _verb, _key: ""
        self.devices = []
        self.remotes = []

    def device(self, name, pictures="all"):
        made = Device(self.folder / name, "memory://home", attempts=3)
        self.devices.append(made)
        Syncing(made.engine, {}).remotes.add("home", "memory://home", pictures)
        return made

    def requests(self):
        """Those of the last meeting: the mark is one of them."""
        return self.remotes[-1].requests


@pytest.fixture
def fleet(tmp_path):
    yield from opened(Fleet(tmp_path))


@pytest.fixture
def careless(tmp_path):
    """Around a store that replaces what is there although it is told not to."""
    yield from opened(Fleet(tmp_path, Bucket(conditions=False)))


def opened(made):
    with faulty(made.bucket, lambda verb, key: made.faults(verb, key)) as remotes:
        made.remotes = remotes
        yield made
    for one in made.devices:
        one.close()
