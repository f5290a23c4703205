"""What every action does: says beforehand what it would do, returns soon, fails with a sentence, finishes in time."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from edge.errors import InvalidArgument, StoreUnavailable
from edge.watch.catalogue import ACTIONS
from tests.contract.conftest import JPEG, action, at, event

pytest.importorskip("gpiozero")
pytest.importorskip("paho.mqtt")

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
                                 "exec:say {nobody}", "exec:'", "store?count=-1", "store?bytes=lots"])  # fmt: skip
def test_what_can_never_work_is_refused_when_it_is_made(bad, context):
    with pytest.raises(InvalidArgument):
        action(bad, context)


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


# --- exec ------------------------------------------------------------------------------------------------------------


def test_exec_fills_in_what_changed_and_starts_no_shell(started, tmp_path):
    out = tmp_path / "out"
    program = "import sys; open(sys.argv[1], 'a').write('|'.join(sys.argv[2:]) + chr(10))"
    one = started(f'exec:{sys.executable} -c "{program}" {out} {{concept}} {{on}} {{value}} "; touch /tmp/x"')
    one.act(event())
    one.act(event(changed=False))
    one.act(event(on=False, value=0.1))
    one.close(10)
    assert out.read_text().splitlines() == ["ripe|1|0.9000|; touch /tmp/x", "ripe|0|0.1000|; touch /tmp/x"]


def test_a_program_that_fails_is_said(started, caplog):
    one = started(f"exec:{sys.executable} -c \"import sys; sys.exit('no paper')\"")
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.act(event())
        one.close(10)
    assert caplog.text.count("no paper") == 1


def test_a_program_that_hangs_is_ended(started, monkeypatch, caplog):
    monkeypatch.setattr("edge.watch.actions.run._SECONDS", 0.3)
    one = started(f'exec:{sys.executable} -c "import time; time.sleep(60)"')
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.close(10)
    assert "was ended" in caplog.text


def test_a_program_that_is_not_there_is_said_before(context):
    with pytest.raises(InvalidArgument, match="no program"):
        action("exec:no-such-program-anywhere", context).check()


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


# --- mqtt ------------------------------------------------------------------------------------------------------------


def test_home_assistant_is_told_of_every_concept(started, broker):
    started("mqtt")
    configs = [json.loads(text) for topic, text in broker.topics.items() if topic.endswith("/config")]
    assert len(configs) == 4
    assert len({one["unique_id"] for one in configs}) == 4
    assert {one["availability_topic"] for one in configs} == {"farm/availability"}


def test_concepts_that_are_gone_are_taken_away_there(started, broker, names):
    one = started("mqtt")
    names.pop()
    one.act(event())
    assert [text for topic, text in broker.topics.items() if "binary_sensor" in topic].count("") == 1


def test_states_and_pictures_are_published_when_they_change(started, broker):
    one = started("mqtt")
    one.act(event())
    assert broker.topics["farm/gate/concept/ripe"] == "ON"
    assert json.loads(broker.topics["farm/gate/state"])["best"] == "ripe"
    assert broker.topics["farm/gate/picture"] == JPEG
    broker.topics.clear()
    one.act(event(changed=False))
    assert broker.topics == {}


def test_what_is_not_known_is_not_called_by_the_best_of_wrong_names(started, broker):
    started("mqtt").act(event(is_known=False, changed=False, active=()))
    assert json.loads(broker.topics["farm/gate/state"])["best"] == "unknown"


def test_names_that_no_topic_may_have_get_one_of_their_own():
    from edge.links.discovery import key

    assert key("ripe") == "ripe"
    assert len({key(name) for name in ("a/b", "a+b", "a b", "grün", "#", "ü")}) == 6
    assert all(set(key(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for name in ("a/b", "grün", "#"))


def test_the_source_tree_has_an_action_for_every_name():
    for where in ACTIONS.values():
        module = where.partition(":")[0].replace(".", "/") + ".py"
        assert (Path(__file__).parents[2] / module).is_file()
