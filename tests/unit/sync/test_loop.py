"""The event loop of a remote: for callers inside one of their own, with signals, and closed."""

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge.sync.remotes.loop import Loop


@pytest.fixture
def loop():
    opened = Loop()
    yield opened
    opened.close()


async def late(value):
    await asyncio.sleep(0)
    return value


def test_a_caller_inside_an_event_loop_gets_its_answer(loop):
    async def calling():
        return loop.run(late(1)) + loop.run(late(2))

    with ThreadPoolExecutor(1) as pool:  # the tests' own thread may be inside a loop, too
        assert pool.submit(asyncio.run, calling()).result() == 3


def test_what_is_raised_is_raised_to_the_caller(loop):
    async def fails():
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.run(fails())


def test_a_signal_cancels_what_is_waited_for(loop):
    cancelled = threading.Event()

    async def waits():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        loop.run(waits())
    assert cancelled.wait(10)
    assert time.monotonic() - before < 30


def test_it_ends_its_thread_and_starts_anew(loop):
    before = threading.active_count()
    assert loop.run(late(1)) == 1
    assert threading.active_count() == before + 1
    loop.close()
    assert threading.active_count() == before
    assert loop.run(late(2)) == 2


def test_a_signal_that_another_thread_gets_cancels_too(loop):
    threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        loop.run(asyncio.sleep(60))
