"""watch on the command line: what people see."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress


def test_every_look_is_a_line_and_at_the_end_there_is_a_table(edge, trained):  # noqa: ARG001
    done = edge("watch", "fake://?fps=0&count=3", "--model", "warm", "--trigger", "each")
    assert done.exit_code == 0, done.output
    *lines, heads, row = done.stdout.splitlines()
    assert [json.loads(line)["trigger"] for line in lines] == ["each"] * 3
    assert heads.split()[:3] == ["loop", "captures", "triggers"]
    assert row.split()[:3] == ["warm", "3", "3"]


def test_actions_that_are_named_replace_the_lines(edge, trained):
    done = edge("watch", "fake://?fps=0&count=3", "--model", "warm", "--trigger", "each", "--then", f"log:{trained}/a")
    assert done.stdout.startswith("loop")
    assert len((trained / "a").read_text().splitlines()) == 3


def test_several_triggers_mean_any_of_them(answer_lines, trained):  # noqa: ARG001
    lines = answer_lines(
        "watch", "fake://?fps=0&count=3", "--model", "warm", "--trigger", "each", "--trigger", "interval:1h"
    )
    assert {line["event"]["trigger"] for line in lines[:-1]} <= {"each", "interval"}
    assert lines[-1]["loops"]["warm"]["triggers"] == 4


def test_a_rehearsal_is_told_in_words(edge, trained):  # noqa: ARG001
    done = edge("watch", "fake://", "--model", "warm", "--dry-run", "--then", "exec:no-such-program {name}")
    assert done.exit_code == 5
    assert "look through fake://" in done.stdout and "FAILED" in done.stdout


def test_nothing_of_it_stays_in_the_process(edge, trained):  # noqa: ARG001
    import logging

    before = logging.getLogger("edge").handlers[:], threading.active_count()
    edge("watch", "fake://?fps=0&count=3", "--model", "warm", "--trigger", "each")
    end = time.monotonic() + 10
    while threading.active_count() > before[1] and time.monotonic() < end:
        time.sleep(0.01)
    assert (logging.getLogger("edge").handlers, threading.active_count()) == before


def test_a_password_is_shown_nowhere(edge, trained):  # noqa: ARG001
    camera = "http://me:secret@127.0.0.1:9/x.mjpeg"
    done = edge("watch", camera, "--model", "warm", "--trigger", "interval:100ms", "--seconds", "0.6")
    assert done.exit_code == 0
    assert "me:***@" in done.output and "secret" not in done.output + done.stderr


def test_on_a_terminal_a_line_says_how_it_goes_and_goes_away(trained):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(trained / "store"), "watch", "fake://?fps=50"]
    process = subprocess.Popen(
        [*command, "--model", "warm", "--trigger", "each", "--then", "store:changed"],
        stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        while not re.search(rb"warm: [1-9][0-9]* looks?, sees ", seen):
            seen += os.read(ours, 4096)
        process.send_signal(signal.SIGTERM)
        with suppress(OSError):  # its end of the terminal is closed
            while more := os.read(ours, 4096):
                seen += more
        assert process.wait(20) == 0
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        os.close(ours)
    assert seen.endswith(b"\r\x1b[K")
