"""What every action does: says beforehand what it would do, returns soon, fails with a sentence, finishes in time."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("gpiozero")
pytest.importorskip("paho.mqtt")

from edge.errors import EdgeError, InvalidArgument, StoreUnavailable
from edge.links.mqtt import Broker
from edge.links.serial import Asking, SerialLink
from edge.watch.catalogue import ACTIONS
from edge.watch.config import LoopConfig
from edge.watch.context import Context
from edge.watch.loop import Loop
from tests.contract.conftest import action, at, event
from tests.unit.watch.doubles import Clock, Still, said

pytestmark = pytest.mark.usefixtures("pins")


@pytest.fixture(params=sorted(ACTIONS))
def text(request, tmp_path, hook):
    return {
        "log": f"log:{tmp_path / 'events.jsonl'}",
        "store": "store",
        "exec": f"exec:{sys.executable} -c pass",
        "webhook": at(hook),
        "gpio": "gpio:17",
        "mqtt": "mqtt",
        "serial": "serial",
    }[request.param]


# --- every action ----------------------------------------------------------------------------------------------------


def test_it_says_beforehand_what_it_would_do(text, context):
    assert len(action(text, context).check()) > 8


def test_it_changes_nothing_by_saying_so(text, context, tmp_path, broker, keeper, hook):
    action(text, context).check()
    assert list(tmp_path.iterdir()) == []
    assert (broker.topics, keeper.kept, keeper.tidied, hook.got) == ({}, [], [], [])


def test_it_takes_any_event_and_returns_soon(text, started):
    one = started(text)
    begun = time.monotonic()
    for each in (event(), event(changed=False), event(failed="the camera gives no picture"), event(on=False)):
        assert isinstance(one.act(each), bool)
    assert time.monotonic() - begun < 2


def test_it_can_be_closed_at_once_and_twice(text, context):
    one = action(text, context)
    one.start()
    one.close(1.0)
    one.close(1.0)


@pytest.mark.parametrize("bad", ["nothing", "log:x?colour=red", "store:some", "gpio:led", "webhook:ftp://x", "exec:",
                                 "webhook:https://", "webhook:http://a b/", "webhook:http://h/x#colour=red",
                                 "webhook:http://h:x/", "exec:say {nobody}", "exec:'", "store?count=-1",
                                 "store?bytes=lots", "serial?x=1", "mqtt?retain=1"])  # fmt: skip
def test_what_can_never_work_is_refused_when_it_is_made(bad, context):
    with pytest.raises(InvalidArgument):
        action(bad, context)


@pytest.fixture
def wrong(tmp_path, names, keeper):
    """``wrong("mqtt")``: an action of that kind whose target is not there, and the targets to be closed."""
    keeper.full = True
    link, far = SerialLink("/dev/ttyNothing9"), Broker("mqtt://127.0.0.1:9/farm")
    context = Context("gate", "tomatoes", tmp_path, keeper, lambda: names, lambda _: (far, "farm"), lambda _: link)
    texts = {
        "log": f"log:{tmp_path}",
        "store": "store",
        "exec": "exec:no-such-program-anywhere",
        "webhook": "webhook:http://127.0.0.1:9/hook",
        "gpio": "gpio:99",
        "mqtt": "mqtt",
        "serial": "serial:/dev/ttyNothing9",
    }
    yield lambda name: (action(texts[name], context), link)
    link.close(0.1)
    far.close(0.1)


@pytest.mark.parametrize("name", sorted({*ACTIONS} - {"store", "gpio"}))
def test_a_target_that_is_not_there_is_said_beforehand(name, wrong):
    with pytest.raises(EdgeError, match=r"check|choose|give|lists"):
        wrong(name)[0].check()


@pytest.mark.parametrize("name", sorted({*ACTIONS} - {"gpio"}))
def test_a_target_that_fails_is_said_once_with_what_to_do_and_costs_the_loop_nothing(name, wrong, caplog):
    one, link = wrong(name)
    loop = Loop(LoopConfig("gate", "fake://", "tomatoes"), Still(Clock()), (), (one,), lambda _: said(ripe=1.0))
    with caplog.at_level(logging.WARNING):
        one.start()
        begun = time.monotonic()
        for number in range(3):
            loop._act(event(reply=Asking(link, 7, number)))
        assert time.monotonic() - begun < 2
        until = time.monotonic() + 10
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.01)
        one.close(2.0)
        assert time.monotonic() - begun < 15
    said_of = [record.getMessage() for record in caplog.records]
    assert len(said_of) == 1
    assert any(word in said_of[0] for word in ("check", "choose", "make room", "lists", "wait on disk"))


# --- log -------------------------------------------------------------------------------------------------------------


def test_a_log_has_a_line_per_event(started, tmp_path):
    one = started(f"log:{tmp_path / 'events.jsonl'}")
    one.act(event())
    one.act(event(changed=False))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["loop"] for line in lines] == ["gate", "gate"]
    assert lines[0]["changed"] == [{"id": "ripe", "name": "ripe", "on": True, "value": 0.9}]


def test_a_log_of_changes_leaves_the_rest_out(started, tmp_path):
    one = started(f"log:{tmp_path / 'events.jsonl'}?always=0")
    assert not one.act(event(changed=False))
    assert one.act(event())


def test_a_log_that_has_grown_is_put_aside(started, tmp_path):
    one = started(f"log:{tmp_path / 'e'}?size=2kB")
    for _ in range(40):
        one.act(event())
    assert sorted(path.name for path in tmp_path.glob("e*")) == ["e", "e.1", "e.2", "e.3"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.glob("e*"))


def test_a_log_on_a_full_disk_says_so(started):
    with pytest.raises(StoreUnavailable, match="make room"):
        for _ in range(3):
            started("log:/dev/full").act(event())


def test_a_log_that_was_put_aside_by_somebody_else_begins_anew(started, tmp_path):
    one = started(f"log:{tmp_path / 'e'}")
    one.act(event())
    (tmp_path / "e").rename(tmp_path / "aside")
    one.act(event())
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("e", "aside")] == [1, 1]


def test_a_log_into_a_pipe_that_nobody_reads_does_not_wait(started, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreUnavailable):
        started(f"log:{tmp_path / 'pipe'}").act(event())


def test_a_line_that_does_not_fit_leaves_no_half(started, tmp_path, monkeypatch):
    one = started(f"log:{tmp_path / 'e'}")
    one.act(event())
    write = os.write
    monkeypatch.setattr("edge.watch.actions.log.os.write", lambda file, data: write(file, data[:10]))
    with pytest.raises(StoreUnavailable):
        one.act(event())
    monkeypatch.undo()
    one.act(event())
    assert [json.loads(line)["loop"] for line in (tmp_path / "e").read_text().splitlines()] == ["gate", "gate"]


# --- store -----------------------------------------------------------------------------------------------------------


def test_store_keeps_what_it_is_asked_to(started, keeper):
    for text, kept in (("store", 3), ("store:changed", 1), ("store:uncertain", 1)):
        keeper.kept.clear()
        one = started(text)
        one.act(event())
        one.act(event(changed=False))
        one.act(event(changed=False, value=0.55))
        assert len(keeper.kept) == kept, text


def test_store_bounds_what_it_keeps(started, keeper):
    started("store?count=10&bytes=5MB&age=2d").act(event())
    [(source, quota)] = keeper.tidied
    assert source == "watch/gate"
    assert (quota.count, quota.bytes, quota.age) == (10, 5_000_000, 172_800)


def test_a_full_disk_is_a_sentence_and_keeping_goes_on_when_there_is_room(started, keeper):
    one = started("store")
    keeper.full = True
    with pytest.raises(StoreUnavailable, match="full"):
        one.act(event())
    keeper.full = False
    assert one.act(event())


def test_what_is_too_old_makes_room_on_a_full_disk(started, keeper, monkeypatch):
    one = started("store?age=1d")
    keeper.full = True

    def tidy(source, quota):  # noqa: ARG001
        keeper.full = False
        return 3

    monkeypatch.setattr(keeper, "tidy", tidy)
    assert one.act(event())
    assert len(keeper.kept) == 1


def test_what_is_too_old_goes_though_nothing_new_is_kept(started, keeper):
    started("store:changed?age=1d").act(event(changed=False))
    assert len(keeper.tidied) == 1


# --- gpio ------------------------------------------------------------------------------------------------------------


def test_a_pin_is_high_while_a_concept_is_seen(started, pins):
    one = started("gpio:17")
    one.act(event())
    assert pins.pin(17).state == 1
    one.act(event(on=False, active=()))
    assert pins.pin(17).state == 0


def test_a_pin_of_one_concept_leaves_the_others_alone(started, pins):
    one = started("gpio:17?concept=grün")
    assert not one.act(event())
    assert pins.pin(17).state == 0


def test_a_pin_is_low_after_it_is_closed(context, pins):
    one = action("gpio:17", context)
    one.start()
    one.act(event())
    one.close(1)
    assert pins.pin(17).state == 0


def test_a_pin_of_a_concept_there_is_not_is_said_beforehand(context):
    with pytest.raises(InvalidArgument, match="no concept 'rotten'"):
        action("gpio:17?concept=rotten", context).check()


def test_a_pin_is_high_after_a_restart_when_what_was_seen_still_is(started, pins):
    assert started("gpio:17?concept=ripe").act(event(changed=False))
    assert pins.pin(17).state == 1


def test_a_pin_of_a_name_follows_the_id(started, pins, names):
    names[0] = ("ripe", "Ripe ones")
    started("gpio:17?concept=Ripe ones").act(event())
    assert pins.pin(17).state == 1


def test_an_inverted_pin_is_low_while_a_concept_is_seen(started, pins):
    one = started("gpio:17?inverted=1")
    assert pins.pin(17).state == 1
    one.act(event())
    assert pins.pin(17).state == 0


def test_a_pulse_ends_by_itself(started, pins):
    one = started("gpio:17?pulse=50ms")
    assert one.act(event())
    until = time.monotonic() + 10
    while pins.pin(17).states[-1].state or len(pins.pin(17).states) < 3:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert [bool(one.state) for one in pins.pin(17).states] == [False, True, False]
    assert not one.act(event(on=False))


def test_the_source_tree_has_an_action_for_every_name():
    for where in ACTIONS.values():
        module = where.partition(":")[0].replace(".", "/") + ".py"
        assert (Path(__file__).parents[2] / module).is_file()
