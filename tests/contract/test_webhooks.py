"""Events for a web hook: queued on disk, delivered at least once, in order, to nobody else."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import RemoteUnavailable
from tests.contract.conftest import JPEG, action, at, event


def wait_for(what, seconds=10):
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    assert what()


def test_a_change_is_posted_once(started, hook):
    one = started(at(hook))
    one.act(event())
    one.act(event(changed=False))
    wait_for(lambda: hook.got)
    time.sleep(0.1)
    [(_, key, body)] = hook.got
    assert key
    assert body["changed"][0]["id"] == "ripe"


def test_what_was_not_taken_comes_again_with_the_same_key_and_in_order(started, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (0.05,))
    hook.answers = [503, 500]
    one = started(at(hook))
    one.act(event(value=0.9))
    one.act(event(value=0.8))
    wait_for(lambda: len(hook.got) == 4)
    assert [status for status, *_ in hook.got] == [503, 500, 200, 200]
    assert len({key for _, key, _ in hook.got[:3]}) == 1
    assert [body["concepts"][0]["value"] for *_, body in hook.got[2:]] == [0.9, 0.8]


def queued(context):
    return sorted(context.folder.rglob("*.json"))


def test_what_waits_is_delivered_after_restarts_in_order(context, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers = [503, 503]
    for values in ((0.9, 0.8), (0.7,)):  # the second run is refused as well
        one = action(at(hook), context)
        one.start()
        for value in values:
            one.act(event(value=value))
        wait_for(lambda: one.failed)  # noqa: B023
        one.close(0.5)
    waiting = [json.loads(path.read_bytes())["concepts"][0]["value"] for path in queued(context)]
    assert waiting == [0.9, 0.8, 0.7]
    hook.got.clear()
    last = action(at(hook), context)
    last.start()
    wait_for(lambda: len(hook.got) == 3)
    last.close(1)
    assert [body["concepts"][0]["value"] for *_, body in hook.got] == [0.9, 0.8, 0.7]
    assert len({key for _, key, _ in hook.got}) == 3
    assert queued(context) == []


def test_what_waits_survives_a_process_that_is_killed(context, hook):
    program = """
import os, sys
from pathlib import Path
from tests.contract.conftest import Keeping, action, event
from edge.watch.context import Context
context = Context("gate", "tomatoes", Path(sys.argv[1]), Keeping(), lambda: [], lambda _: None, lambda _: None)
one = action(sys.argv[2], context)
one.start()
one.act(event(value=0.6))
os._exit(9)
"""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", program, str(context.folder), at(hook)]
    hook.answers = [503] * 2
    assert subprocess.run(command, env=environment, check=False).returncode == 9
    there = action(at(hook), context)
    there.start()
    wait_for(lambda: any(status == 200 for status, *_ in hook.got))
    there.close(1)
    assert {body["concepts"][0]["value"] for *_, body in hook.got} == {0.6}
    assert len({key for _, key, _ in hook.got}) == 1


def test_two_hooks_of_a_loop_each_get_every_event(started, hook):
    first, second = started(at(hook, "/a")), started(at(hook, "/b"))
    for value in (0.9, 0.8):
        for one in (first, second):
            one.act(event(value=value))
    wait_for(lambda: len(hook.got) == 4)
    assert sorted(path for path, _ in hook.asked) == ["/a", "/a", "/b", "/b"]


def test_a_new_token_finds_the_queue_of_the_old_one(context, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers = [401]
    before = action(at(hook, "/hook?token=old"), context)
    before.start()
    before.act(event())
    wait_for(lambda: hook.got)
    before.close(0.5)
    there = action(at(hook, "/hook?token=new"), context)
    there.start()
    wait_for(lambda: len(hook.got) == 2)
    there.close(1)
    assert hook.asked[1][0] == "/hook?token=new"


def test_the_picture_comes_along_if_it_is_asked_for(started, hook):
    started(at(hook, "/hook#picture=1")).act(event())
    wait_for(lambda: hook.got)
    [(_, _, body)] = hook.got
    assert base64.b64decode(body["picture"]["base64"]) == JPEG
    assert hook.asked[0][0] == "/hook"


def test_a_user_in_the_address_is_sent_as_such(started, hook):
    started(f"webhook:http://me:s%40fe@127.0.0.1:{hook.server_address[1]}/").act(event())
    wait_for(lambda: hook.asked)
    assert hook.asked[0][1] == "Basic " + base64.b64encode(b"me:s@fe").decode()


def test_what_will_never_be_taken_is_dropped_and_said(started, hook):
    hook.answers = [404]
    one = started(at(hook))
    one.act(event())
    wait_for(lambda: one.failed)
    assert "refuses events with 404" in one.failed
    assert "abc" not in one.failed


def test_nothing_secret_of_an_address_is_shown(started, context, monkeypatch, caplog):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (0.05,))
    text = "webhook:http://me:hunter2@127.0.0.1:9/api/webhook/SECRET?key=abc"
    with caplog.at_level("DEBUG"):
        one = started(text)
        one.act(event())
        wait_for(lambda: one.failed)
        with pytest.raises(RemoteUnavailable) as missing:
            action(text, context).check()
    everything = caplog.text + one.failed + str(missing.value)
    assert "127.0.0.1:9" in everything
    assert not any(secret in everything for secret in ("hunter2", "SECRET", "abc"))


def test_a_redirect_that_keeps_the_post_is_followed_on_the_same_host(started, hook):
    hook.answers = [307]
    started(at(hook)).act(event())
    wait_for(lambda: len(hook.got) == 2)
    assert [path for path, _ in hook.asked] == ["/hook?key=abc", "/elsewhere"]
    assert len({key for _, key, _ in hook.got}) == 1


@pytest.mark.parametrize(
    ("status", "elsewhere"), [(302, "/elsewhere"), (307, "http://localhost:9/"), (307, "file:///etc")]
)
def test_other_redirects_are_said_and_not_followed(started, hook, monkeypatch, status, elsewhere):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers, hook.elsewhere = [status], elsewhere
    one = started(at(hook))
    one.act(event())
    wait_for(lambda: one.failed)
    assert "name its new address" in one.failed
    assert len(hook.got) == 1


def test_a_circle_of_redirects_ends(started, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers, hook.elsewhere = [307] * 100, "/again"
    one = started(at(hook))
    one.act(event())
    wait_for(lambda: one.failed)
    assert len(hook.got) < 5


@pytest.mark.parametrize("bound", ["_MOST", "_MOST_BYTES"])
def test_only_so_many_events_wait_and_the_oldest_go(started, monkeypatch, context, hook, caplog, bound):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers = [503]
    one = started(at(hook))
    one.act(event(value=0.99))
    wait_for(lambda: one.failed)
    for number in range(20):
        one.act(event(value=number / 100))
    one.close(0.5)
    most = {"_MOST": 5, "_MOST_BYTES": 5 * max(path.stat().st_size for path in queued(context))}[bound]
    monkeypatch.setattr(f"edge.watch.actions.webhook.{bound}", most)
    hook.got.clear()
    with caplog.at_level("WARNING", "edge.watch"):
        fresh = started(at(hook))
        wait_for(lambda: len(hook.got) == 5)
    assert [body["changed"][0]["value"] for *_, body in hook.got] == [0.15, 0.16, 0.17, 0.18, 0.19]
    assert fresh.dropped == 16
    assert caplog.text.count("the oldest are dropped") == 1


def test_closing_does_not_wait_for_one_who_never_answers(started):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = started(f"webhook:http://127.0.0.1:{silent.getsockname()[1]}/")
        one.act(event())
        silent.accept()
        begun = time.monotonic()
        one.close(0.5)
        assert time.monotonic() - begun < 4


def test_one_who_comes_and_goes_is_said_once(started, hook, monkeypatch, caplog):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (0.01,))
    hook.answers = [503, 200] * 5
    with caplog.at_level("WARNING", "edge.watch"):
        one = started(at(hook))
        for _ in range(5):
            one.act(event())
        wait_for(lambda: len(hook.got) == 10)
    assert caplog.text.count("answers 503") == 1
