"""A copied card is noticed, becomes a new device, and nothing that either copy said is lost."""

import shutil

import pytest

from edge import Engine
from edge.errors import RemoteUnavailable
from tests.integration.meetings import CONFIG, Device, settle


def test_a_careless_store_never_loses_a_segment_of_a_copied_card(careless, tmp_path):
    field, home = careless.device("field"), careless.device("home")
    field.add(1, red=1)
    field.sync()
    field.engine.close()
    shutil.copytree(field.path, tmp_path / "copy")
    field.engine = Engine.open(field.path, config=CONFIG)
    copy = Device(tmp_path / "copy", "memory://home", attempts=3)
    careless.devices.append(copy)
    copy.add(2, green=1)
    field.add(3, green=0)
    field.sync()
    assert copy.sync().notes
    settle([field, copy, home])
    assert field.labels() == copy.labels() == home.labels()
    assert len(home.labels()) == 3


def test_a_copy_that_was_cut_off_before_its_manifest_is_noticed_too(fleet, tmp_path):
    field, home = fleet.device("field"), fleet.device("home")
    field.add(1, red=1)
    field.sync()
    field.engine.close()
    shutil.copytree(field.path, tmp_path / "copy")
    field.engine = Engine.open(field.path, config=CONFIG)
    copy = Device(tmp_path / "copy", "memory://home", attempts=3)
    fleet.devices.append(copy)
    copy.add(2, green=1)
    fleet.faults = lambda verb, key: "error" if verb == "put" and key.endswith(".json") else ""
    with pytest.raises(RemoteUnavailable):
        copy.sync()
    fleet.faults = lambda _verb, _key: ""
    field.add(3, green=0)
    assert field.sync().notes
    settle([field, copy, home])
    assert field.labels() == copy.labels() == home.labels()
    assert len(home.labels()) == 3
