"""Installs the wheel in an arm64 userland, teaches a model there with the real command line, and compares with here.

scripts/emulated-pi runs it, as root. Ends with 1 when a check fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import needs
import numpy as np
import stick
import userland
import wheels
from boards import BOARDS
from PIL import Image
from userland import Failed, Userland

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
GROUNDS = ("brick", "grass", "gravel")
TAUGHT, HELD_OUT = 8, 4
SAME_SCORES, ALLOWED_BARE = 0.1, 2 / 256

Scores = dict[str, dict[str, float]]


class Report:
    """Prints one line per check, with the seconds it took, and remembers whether all were good."""

    def __init__(self) -> None:
        self.good = True
        self._since = time.monotonic()

    def line(self, name: str, text: str, good: bool = True) -> None:
        seconds, self._since = time.monotonic() - self._since, time.monotonic()
        self.good &= good
        print(f"{'ok' if good else 'FAILED':6}  {name:10}  {text}  [{seconds:.0f} s]", flush=True)

    def quote(self, text: str) -> None:
        for line in text.splitlines():
            print(f"        {'':10}  | {line}".rstrip(), flush=True)


class Here:
    """This machine, with the same wheel and the same commands as the userland."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def install(self, wheel: Path) -> None:
        """Into an environment of its own that takes the dependencies from the one of this process."""
        venv.create(self.home / "venv", with_pip=False)
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", "venv/bin/python", "install", "--no-deps"]
        userland.call([*pip, "--no-index", str(wheel)], cwd=self.home)
        packages = self.run("venv/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def run(self, *command: str) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("EDGE_", "PYTHON"))}
        return userland.call([str(self.home / command[0]), *command[1:]], cwd=self.home, env=environment)


Place = Here | Userland


def main() -> int:
    asked = needs.arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was mounted and registered is undone
    release = needs.RELEASES[asked.release]
    cache = PROJECT / ".cache" / "emulated-pi" / release.name
    report = Report()
    machine = os.uname().machine.replace("_", "-")
    host = f"{machine} host, {len(os.sched_getaffinity(0))} cores, {userland.emulator()}"
    print(f"Debian {release.name} arm64 on an {host}, as a {BOARDS[0].name} ({BOARDS[0].cpu})", flush=True)
    try:
        userland.keep_mounts_to_ourselves()
        with userland.arm_programs():
            tell(asked, release, cache, report)
    except Failed as error:
        report.line("stopped", str(error), good=False)
    print("all good" if report.good else "FAILED")
    return 0 if report.good else 1


def tell(asked: Any, release: needs.Release, cache: Path, report: Report) -> None:
    """The whole story, check by check."""
    root = cache / "root"
    if asked.fresh or not root.exists():
        print(f"        making the userland; {(cache / 'debootstrap.log').relative_to(PROJECT)} grows", flush=True)
        userland.make(release, root, asked.mirror, cache / "debootstrap.log")
    pi, here = Userland(root), Here(cache / "here")
    pictures(pi, here)
    report.line(
        "userland", pi.run("uname", "-m").strip() + ", Debian " + (root / "etc/debian_version").read_text().strip()
    )
    here.install(install(pi, release, cache / "wheels", report))
    taught = teach(pi, report)
    exported(pi, taught, report)
    same_scores(taught, teach(here), report)
    same_embeddings(pi, here, report)
    for name, said in stick.situations(pi):
        report.line("edge tpu", f"{name}: {said}", good=stick.EXPECTED[name] in said)


# --- before ----------------------------------------------------------------------------------------------------------


def pictures(pi: Userland, here: Here) -> None:
    """Real photographs for both: crops of scikit-image's textures, taught and held out, and strangers."""
    sys.path.append(str(HERE.parent / "demo.d"))
    import pictures as demo

    shutil.rmtree(here.home, ignore_errors=True)
    demo.cut(here.home / "all")
    for ground in GROUNDS:
        for part, count in (("taught", TAUGHT), ("held-out", HELD_OUT)):
            (here.home / "photos" / part / ground).mkdir(parents=True)
            for path in sorted((here.home / "all" / part / ground).iterdir())[:count]:
                shutil.copy(path, here.home / "photos" / part / ground)
    (here.home / "photos/strangers").mkdir()
    for name in ("chelsea", "coffee"):  # as a camera gives them
        with Image.open(here.home / "all/strangers" / f"{name}.png") as photograph:
            photograph.convert("RGB").save(here.home / "photos/strangers" / f"{name}.jpg", quality=92)
    shutil.rmtree(here.home / "all")
    shutil.copytree(here.home / "photos", pi.home / "photos")
    for script in (HERE / "look.py", HERE / "stick.py", HERE.parent / "demo.d/bare.py"):
        for place in (here, pi):
            shutil.copy(script, place.home)
    userland.call(["chown", "-R", f"{userland.USER}:{userland.USER}", str(pi.home)])


def install(pi: Userland, release: needs.Release, folder: Path, report: Report) -> Path:
    """As the quick start says: python3 -m venv, pip install; from wheels alone. Gives the project's wheel."""
    wheel = wheels.gather(PROJECT, release, folder)
    report.line("wheels", f"{wheel.name}; for arm64: {', '.join(wheels.compiled(folder))}")
    shutil.copytree(folder, pi.home / "wheels")
    pi.run("python3", "-m", "venv", "venv")
    pi.run("venv/bin/pip", "install", "--quiet", "--no-index", "--find-links", "wheels", "edge-concepts")
    python = pi.run("venv/bin/python", "-c", "import sys; print(sys.version.split()[0])").strip()
    report.line(
        "installed", f"in a virtual environment of Python {python}", good=python.startswith(release.python + ".")
    )
    return wheel


# --- the model -------------------------------------------------------------------------------------------------------


def teach(place: Place, report: Report | None = None) -> Scores:
    """init, doctor, add, model create, train, evaluate, predict, export; gives what predict said."""

    def edge(*arguments: str) -> str:
        said = place.run("venv/bin/edge", *arguments)
        if report is not None:
            report.line("edge", " ".join(arguments[:7]) + (" ..." if len(arguments) > 7 else ""))
            report.quote(said if arguments[0] != "--json" else "")
        return said

    concepts = [word for ground in GROUNDS for word in ("--concept", ground)]
    edge("init")
    edge("add", "photos/taught", "--from-folders")
    edge("model", "create", "ground", "--mutually-exclusive", *concepts)
    edge("train", "ground")
    edge("evaluate", "ground", "--folder", "photos/held-out")
    edge("export", "ground", "ground.tflite")
    edge("doctor")
    return scores(json.loads(edge("--json", "predict", "ground", *names(place.home))), report)


def scores(document: dict[str, Any], report: Report | None) -> Scores:
    """path -> concept -> value; reports how many held-out pictures are right and strangers refused."""
    found = {
        one["path"]: {score["name"]: score["value"] for score in one["concepts"]} for one in document["predictions"]
    }
    if report is not None:
        held_out = [path for path in found if "held-out" in path]
        right = sum(max(found[path], key=found[path].__getitem__) == Path(path).parent.name for path in held_out)
        strangers = [one["is_known"] for one in document["predictions"] if "strangers" in one["path"]]
        text = f"{right} of {len(held_out)} held-out pictures are right, {strangers.count(False)} of {len(strangers)}"
        report.line("predicted", f"{text} strangers are none of these", good=right >= 0.9 * len(held_out))
    return found


def names(home: Path) -> list[str]:
    """The pictures nobody was taught, as both places name them."""
    found = [path for part in ("held-out", "strangers") for path in sorted((home / "photos" / part).rglob("*.*g"))]
    return [str(path.relative_to(home)) for path in found]


def exported(pi: Userland, taught: Scores, report: Report) -> None:
    """The exported file, run in there by numpy, Pillow and the runtime alone."""
    document = json.loads(pi.run("venv/bin/python", "-I", "bare.py", "ground.tflite", *names(pi.home)))
    pairs = [
        (one["values"][name], value) for one in document["pictures"] for name, value in taught[one["path"]].items()
    ]
    worst = max(abs(bare - value) for bare, value in pairs)
    text = f"{len(document['pictures'])} pictures by the exported file alone ({document['runtime']})"
    report.line("exported", f"{text}: values within {worst:.4f} of predict's", good=worst <= ALLOWED_BARE)


# --- compared with here ----------------------------------------------------------------------------------------------


def same_scores(there: Scores, here: Scores, report: Report) -> None:
    """The same story told on this machine: the same answers, nearly the same values."""
    same = sum(
        max(there[path], key=there[path].__getitem__) == max(here[path], key=here[path].__getitem__) for path in here
    )
    apart = [abs(there[path][name] - value) for path, values in here.items() for name, value in values.items()]
    text = f"the highest concept is this machine's in {same} of {len(here)}; values are {np.mean(apart):.4f} apart in"
    good = max(apart) <= SAME_SCORES
    report.line("scores", f"{text} the mean, {max(apart):.4f} at most", good=good)


def same_embeddings(pi: Userland, here: Here, report: Report) -> None:
    """Pixels and embeddings of every board against this machine's."""
    given = names(here.home)
    ours, facts = look(here, given)
    least = facts["minimum_cosine"]
    report.line("here", f"{facts['machine']}, Python {facts['python']}, {facts['libc']}, {runtime(facts)}")
    for board in BOARDS:
        pi.become(board)
        theirs, there = look(pi, given)
        cosines = (ours["z"] * theirs["z"]).sum(axis=1)
        equal = (ours["embeddings"] == theirs["embeddings"]).mean()
        pixels = (ours["pixels"] == theirs["pixels"]).mean()
        report.line(
            "embeddings",
            f"{board.name} ({board.cpu}), {runtime(there)}: pixels {pixels:.2%} equal, "
            f"cosine {cosines.mean():.5f} in the mean, {cosines.min():.5f} at least (allowed {least}), "
            f"int8 values {equal:.1%} equal",
            good=bool(cosines.min() >= least) and there["xnnpack"],
        )
    pi.become(BOARDS[0])


def look(place: Place, given: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    facts: dict[str, Any] = json.loads(place.run("venv/bin/python", "look.py", "look.npz", *given))
    with np.load(place.home / "look.npz") as arrays:
        return dict(arrays), facts


def runtime(facts: dict[str, Any]) -> str:
    return f"{facts['runtime']}, {'with' if facts['xnnpack'] else 'WITHOUT'} XNNPACK"


if __name__ == "__main__":
    sys.exit(main())
