"""A disk that is full and one that is read-only: real file systems and real processes.

Each test is a shell script in a mount namespace of its own, so that nothing needs to be unmounted: as root directly,
otherwise as root of a new user namespace.
"""

import json
import os
import shlex
import subprocess
import sys

import pytest

PYTHON = shlex.quote(sys.executable)


@pytest.fixture
def shell(tmp_path, saved, blob):
    """``shell(script)``: runs it with an 80 MiB disk at $disk, ``edge`` on a store there, and pictures in $pictures.

    Returns the exit codes and the lines that the script's ``step NAME command`` recorded.
    """
    for number in range(4):
        saved(f"pictures/red/{number}.png", blob("red", number))
        saved(f"pictures/green/{number}.png", blob("green", number))
    saved("pictures/large/noise.png", blob("blue", 9, (300, 300)))

    def run(script):
        (tmp_path / "disk").mkdir()
        steps = tmp_path / "steps"
        steps.mkdir()
        program = f"""
            set -u
            disk={shlex.quote(str(tmp_path / "disk"))} pictures={shlex.quote(str(tmp_path / "pictures"))}
            errors={shlex.quote(str(steps))}
            mount -t tmpfs -o size=80m tmpfs "$disk" || exit 99
            edge() {{ {PYTHON} -m edge.faces.cli --store "$disk/store" "$@"; }}
            step() {{
                name=$1; shift
                "$@" >{shlex.quote(str(steps))}/$name.out 2>{shlex.quote(str(steps))}/$name.err
                echo $? >{shlex.quote(str(steps))}/$name.code
            }}
            {script}
        """
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        done = subprocess.run([*namespace, "sh", "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return {
            path.stem: (
                int(path.read_text()), path.with_suffix(".out").read_text(), path.with_suffix(".err").read_text()
            )
            for path in steps.glob("*.code")
        }  # fmt: skip

    return run


TEACH = """
    step init edge init --backbone fake
    step red edge add "$pictures/red" --concept red
    step green edge add "$pictures/green" --not-concept red
    step model edge model create warm --concept red
    step train edge train warm
"""
FILL = """
    dd if=/dev/zero of="$disk/ballast" bs=64k 2>/dev/null
"""


def test_a_full_disk_is_said_in_one_line_and_nothing_is_lost(shell):
    steps = shell(
        f"""
        {TEACH}
        step before edge --json inputs
        {FILL}
        step add edge add "$pictures/large" --concept red
        step create edge model create second --concept red
        step again edge train warm
        step predict edge predict warm "$pictures/red/0.png"
        rm "$disk/ballast"
        step after edge --json inputs
        step doctor edge doctor
        step retry edge add "$pictures/large" --concept red
        step versions edge --json versions warm
        """
    )
    for name in ("init", "red", "green", "model", "train", "after", "doctor", "retry", "versions"):
        assert steps[name][0] == 0, (name, steps[name])
    for name in ("add", "again"):
        code, _, line = steps[name]
        assert code == 5, (name, steps[name])
        assert len(line.splitlines()) == 1
        assert "free some space" in line
    assert steps["before"][1] == steps["after"][1]
    assert steps["retry"][1].startswith("1 picture added")


def test_a_read_only_store_still_answers_and_refuses_changes(shell):
    steps = shell(
        f"""
        {TEACH}
        mount -o remount,ro "$disk"
        step predict edge --json predict warm "$pictures/red/0.png"
        step inputs edge inputs
        step add edge add "$pictures/large" --concept red
        step create edge model create second --concept red
        step again edge train warm
        step detached edge train warm --no-wait
        step doctor edge doctor
        """
    )
    for name in ("predict", "inputs", "doctor"):
        assert steps[name][0] == 0, (name, steps[name])
    for name in ("add", "create", "again", "detached"):
        code, _, line = steps[name]
        assert code == 5, (name, steps[name])
        assert len(line.splitlines()) == 1
        assert "make it writable" in line or "check its permissions and mount" in line
    assert "read-only" in steps["doctor"][1]


def test_a_store_cannot_be_made_where_nothing_can_be_written(shell):
    steps = shell(
        """
        mount -o remount,ro "$disk"
        step init edge init --backbone fake
        """
    )
    code, _, line = steps["init"]
    assert code == 5
    assert len(line.splitlines()) == 1
    assert "check its permissions and mount" in line


def test_a_loop_lives_through_a_full_disk_says_so_once_and_stores_again(shell):
    steps = shell(
        f"""
        {TEACH}
        watch() {{
            sh -c 'echo $$ >"$0"; exec "$@"' "$errors/watching" {PYTHON} -m edge.faces.cli --store "$disk/store" \\
                --json watch "fake://?fps=20" --model warm --trigger each --then store --seconds 120
        }}
        kept() {{
            edge --json inputs --limit 1000 | grep -o watch/warm | wc -l
        }}
        eventually() {{
            for _ in $(seq 200); do "$@" && return; sleep 0.1; done
        }}
        has_kept() {{ [ "$(kept)" -gt "$1" ]; }}
        step watch watch & running=$!
        eventually has_kept 0
        dd if=/dev/zero of="$disk/ballast" bs=4k 2>/dev/null
        eventually grep -q "loop warm: store: " "$errors/watch.err"
        step full kept
        rm "$disk/ballast"
        eventually has_kept "$(kept)"
        kill -TERM "$(cat "$errors/watching")"
        wait $running
        step after kept
        step doctor edge doctor
        """
    )
    code, out, said = steps["watch"]
    assert code == 0, said
    failures = [line for line in said.splitlines() if "loop warm: store: " in line]
    assert len(failures) == 1, said
    assert "free some space" in failures[0]
    *events, last = [json.loads(line) for line in out.splitlines()]
    assert last["loops"]["warm"]["failures"] == 0
    assert len(events) > int(steps["full"][1]) > 0
    assert int(steps["after"][1]) > int(steps["full"][1])
    assert steps["doctor"][0] == 0, steps["doctor"]
