"""Programs that are run: with arguments and no shell, for a limited time, heard to the end of what they say."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from edge.errors import InvalidArgument
from tests.contract.conftest import JPEG, action, event


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


def test_path_is_a_file_of_the_picture_while_the_program_runs(started, tmp_path):
    program = "import sys; d = open(sys.argv[1], 'rb').read(); open(sys.argv[2], 'wb').write(d + sys.argv[1].encode())"
    one = started(f'exec:{sys.executable} -c "{program}" {{path}} {tmp_path / "out"}')
    one.act(event())
    one.close(10)
    written = (tmp_path / "out").read_bytes()
    assert written.startswith(JPEG)
    name = written.removeprefix(JPEG).decode()
    assert name.endswith(".jpg")
    assert not Path(name).exists()


def test_a_program_that_hangs_is_ended_with_what_it_started(started, monkeypatch, tmp_path):
    monkeypatch.setattr("edge.watch.actions.run._SECONDS", 1.0)
    program = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']); "
        "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(60)"
    )
    one = started(f'exec:{sys.executable} -c "{program}" {tmp_path / "child"}')
    one.act(event())
    one.close(10)
    gone(int((tmp_path / "child").read_text()))


def test_what_a_program_leaves_in_the_background_is_not_waited_for(started, caplog):
    program = "import subprocess; subprocess.Popen(['sleep', '5'])"
    one = started(f'exec:{sys.executable} -c "{program}"')
    begun = time.monotonic()
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.close(30)
    assert time.monotonic() - begun < 4.5
    assert caplog.records == []


def test_of_what_a_program_says_only_the_end_is_kept(started, caplog):
    program = "import sys; sys.stderr.write('x' * 50_000_000); sys.exit('the end')"
    one = started(f'exec:{sys.executable} -c "{program}"')
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.close(30)
    assert "the end" in caplog.text
    assert len(caplog.text) < 1000


def test_a_program_that_runs_when_the_loop_stops_is_ended(started, tmp_path):
    program = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    one = started(f'exec:{sys.executable} -c "{program}" {tmp_path / "pid"}')
    one.act(event())
    until = time.monotonic() + 10
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    begun = time.monotonic()
    one.close(0.2)
    assert time.monotonic() - begun < 5
    gone(int((tmp_path / "pid").read_text()))


def test_a_program_that_may_not_be_run_is_said(started, tmp_path, caplog):
    (tmp_path / "plain").write_text("no program")
    one = started(f"exec:{tmp_path / 'plain'}")
    with caplog.at_level("WARNING", "edge.watch"):
        one.act(event())
        one.close(10)
    assert "check its path and permissions" in caplog.text


def gone(pid, seconds=10):
    """Wait until there is no such process; a zombie that is not ours is its new parent's."""
    until = time.monotonic() + seconds
    while (stat := Path(f"/proc/{pid}/stat")).exists():
        assert time.monotonic() < until, f"process {pid} still runs"
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) != os.getpid():
                return
        time.sleep(0.01)
