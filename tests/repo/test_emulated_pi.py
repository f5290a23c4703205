"""What scripts/emulated-pi says when it is called wrongly or the machine lacks something; running it takes minutes."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "emulated-pi"
PARTS = SCRIPT.with_name("emulated-pi.d")


@pytest.fixture
def part(monkeypatch):
    """``part("needs")``: a module of the script's, importable for this test alone."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(PARTS)
    yield import_module
    for name in set(sys.modules) - before:
        if (PARTS / f"{name}.py").exists():
            del sys.modules[name]


@pytest.fixture
def complete(tmp_path):
    """A file system in which nothing is missing."""
    for name, text in (
        ("proc/filesystems", "nodev\tproc\nnodev\tbinfmt_misc\n"),
        ("usr/share/keyrings/debian-archive-keyring.gpg", ""),
        ("usr/share/debootstrap/scripts/bookworm", ""),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def lacks(part, complete):
    """``lacks(uid=1000)``: what is said to be missing when that is so and all else is there."""
    needs = part("needs")

    def ask(*given, without=(), uid=0, arm=False, release="bookworm"):
        asked = needs.arguments([release, "--mirror", "http://archive.invalid/debian", *given])
        found = needs.missing(
            asked, root=complete, uid=uid, arm=arm, which=lambda name: None if name in without else "/usr/bin/x"
        )
        return "\n".join(found)

    return ask


def called(*arguments, **environment):
    # only what the first step needs: no environment is made, nothing is mounted
    return subprocess.run(
        [sys.executable, PARTS / "needs.py", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
    )


@pytest.mark.parametrize("wrong", [[], ["buster"], ["bookworm", "trixie"], ["--fresh"], ["bookworm", "--mirror"]])
def test_a_wrong_call_is_refused_with_the_usage(wrong):
    done = called(*wrong)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: scripts/emulated-pi")


def test_the_script_refuses_a_wrong_call_before_it_makes_anything():
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run([SCRIPT, "buster"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'buster'" in done.stderr


def test_what_is_missing_is_listed_with_the_remedy(tmp_path):
    done = called("trixie", "--mirror", "http://archive.invalid/debian", PATH=str(tmp_path))
    assert done.returncode == 5
    assert "scripts/emulated-pi cannot run here: debootstrap (makes the userland) is not installed" in done.stderr
    assert "sudo apt-get install --no-install-recommends" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_missing_where_all_is_there(lacks):
    assert lacks() == ""


def test_an_ordinary_user_is_told_to_become_root(lacks):
    assert "root rights are missing" in lacks(uid=1000)


def test_one_line_installs_all_packages_that_are_missing(lacks):
    found = lacks(without=("debootstrap", "qemu-aarch64-static", "aarch64-linux-gnu-gcc"))
    assert found.endswith(" debootstrap gcc-aarch64-linux-gnu qemu-user-static")


def test_the_keys_are_needed(lacks, complete):
    (complete / "usr/share/keyrings/debian-archive-keyring.gpg").unlink()
    assert "debian-archive-keyring.gpg (Debian's keys) is not installed" in lacks()


def test_a_kernel_without_binfmt_misc_is_named(lacks, complete):
    (complete / "proc/filesystems").write_text("nodev\tproc\n")
    assert "modprobe binfmt_misc" in lacks()


def test_an_arm_machine_needs_no_emulation(lacks, complete):
    (complete / "proc/filesystems").write_text("nodev\tproc\n")
    assert lacks(arm=True, without=("qemu-aarch64-static", "aarch64-linux-gnu-gcc")) == ""
    assert "gcc (builds a stand-in" in lacks(arm=True, without=("gcc",))


def test_an_old_debootstrap_is_named(lacks):
    assert "does not know trixie; install a newer one" in lacks(release="trixie")


def test_without_a_debian_archive_in_apt_one_is_asked_for(part, complete, monkeypatch):
    needs = part("needs")
    monkeypatch.setattr(needs, "mirror", lambda: None)
    found = needs.missing(needs.arguments(["bookworm"]), root=complete, uid=0, arm=False, which=lambda _: "/usr/bin/x")
    assert found == ["apt knows no Debian archive here; name one with --mirror URL"]


def test_every_release_has_a_python_the_project_supports(part):
    classifiers = (SCRIPT.parents[1] / "pyproject.toml").read_text()
    for release in part("needs").RELEASES.values():
        assert f'"Programming Language :: Python :: {release.python}"' in classifiers


def test_a_board_shows_its_processor_and_not_the_hosts(part, tmp_path):
    boards = part("boards")
    boards.write_sys(tmp_path)
    assert (tmp_path / "devices/system/cpu/present").read_text() == f"0-{boards.CORES - 1}\n"
    text = boards.cpuinfo(next(board for board in boards.BOARDS if board.cpu == "cortex-a72"))
    assert text.count("processor\t") == boards.CORES
    assert "CPU part\t: 0xd08\n" in text
    assert "asimddp" not in text  # the Pi 4 has no dot product


def test_each_situation_of_the_stick_is_prepared_and_expected(part, tmp_path):
    stick = part("stick")
    steps = stick._steps(tmp_path / "library", tmp_path / "node", tmp_path / "entry")
    assert list(steps) == list(stick.EXPECTED)


def test_wheels_with_machine_code_are_named(part, tmp_path):
    for name in ("numpy-2.4.6-cp311-cp311-manylinux_2_27_aarch64.whl", "click-8.5.1-py3-none-any.whl"):
        (tmp_path / name).touch()
    assert part("wheels").compiled(tmp_path) == ["numpy 2.4.6"]
