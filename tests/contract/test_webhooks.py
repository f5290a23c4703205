"""Events for a web hook: queued on disk, delivered at least once, in order, to nobody else."""

from __future__ import annotations

import time

from tests.contract.conftest import action, at, event


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


def test_what_waits_is_delivered_after_a_restart(context, hook):
    missing = action("webhook:http://127.0.0.1:9/x", context)
    missing.start()
    missing.act(event())
    missing.close(0.5)
    there = action(at(hook), context)
    there.start()
    wait_for(lambda: hook.got)
    there.close(1)


def test_what_will_never_be_taken_is_dropped_and_said(started, hook):
    hook.answers = [404]
    one = started(at(hook))
    one.act(event())
    wait_for(lambda: one.failed)
    assert "refuses events with 404" in one.failed
    assert "abc" not in one.failed


def test_a_redirect_is_not_followed(started, hook, monkeypatch):
    monkeypatch.setattr("edge.watch.actions.webhook._BACK_OFF", (30.0,))
    hook.answers = [307]
    started(at(hook)).act(event())
    wait_for(lambda: hook.got)
    time.sleep(0.1)
    assert len(hook.got) == 1


def test_only_so_many_events_wait(started, monkeypatch, context):
    monkeypatch.setattr("edge.watch.actions.webhook._MOST", 5)
    one = started("webhook:http://127.0.0.1:9/x")
    for _ in range(20):
        one.act(event())
    one.close(0.2)
    fresh = action("webhook:http://127.0.0.1:9/x", context)
    assert len(fresh._waiting()) == 5
