"""Whatever cuts a meeting, nothing that was acknowledged is lost, nothing is there twice, the next meeting finishes.

Short runs; ``scripts/bench sync-faults`` goes on for longer.
"""

from itertools import cycle

import pytest

from tests.integration.meetings import ENVIRON, Counts, cut_at, killed_often, server_cut_at, server_in_trouble
from tests.object_servers import FATES, S3Server


@pytest.fixture(scope="module")
def server():
    with S3Server() as started:
        yield started


@pytest.mark.parametrize("faults", [["lost"], ["half", "refused", "error", "full"]], ids="+".join)
def test_a_meeting_cut_at_any_request_loses_and_doubles_nothing(tmp_path, faults):
    counts, fault = Counts(), cycle(faults)
    while cut_at(tmp_path / f"{counts.cuts}", counts.cuts, next(fault), counts):
        pass
    assert counts.cuts > 20
    assert counts.good, counts


def test_a_server_that_is_cut_off_loses_and_doubles_nothing(tmp_path, server):
    counts, fate = Counts(), cycle(FATES)
    for number in range(0, 24, 4):
        assert server_cut_at(tmp_path / f"{number}", server, number, next(fate), counts)
    assert counts.good, counts


def test_a_server_in_trouble_loses_and_doubles_nothing(tmp_path, server):
    counts = Counts()
    fates = server_in_trouble(tmp_path, server, 3, 0.3, counts)
    assert len(fates) > 4
    assert counts.good, counts


def test_a_device_that_is_killed_loses_and_doubles_nothing_on_a_folder(tmp_path):
    counts = Counts()
    (tmp_path / "stick").mkdir()
    killed_often(tmp_path, str(tmp_path / "stick"), 1, 6, counts)
    assert counts.good, counts


def test_a_device_that_is_killed_loses_and_doubles_nothing_on_a_server(tmp_path, server):
    counts = Counts()
    server.make_bucket("killed")
    killed_often(tmp_path, server.url("killed"), 2, 4, counts, ENVIRON)
    assert counts.good, counts
