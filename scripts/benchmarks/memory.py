"""Memory of a loop of predictions, what 10 000 of them add to it, and the wall time of one cold ``edge predict``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _common import Goal, camera_jpeg, machine, paired, photograph, spread, taught, verdicts
from PIL import Image

from edge import Engine
from edge.backbone import catalogue, runtime
from edge.config import DEFAULT_BACKBONE, Config
from trainer.tables import print_table

# each in a process of its own: what it has loaded, and nothing of this script
_LOOP = """
import json, sys
from edge import Engine
from edge.config import Config
store, picture, warm, count, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

def memory(which):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(which))) / 1024

with Engine.open(store, create=False, config=Config(threads=threads, delegate="none")) as engine:
    model = engine.model("things")
    if picture.endswith(".npy"):
        import numpy as np
        picture = np.load(picture)
    for _ in range(warm):
        model.predict(picture)
    before = memory("VmRSS")
    for _ in range(count):
        model.predict(picture)
    print(json.dumps({"before": before, "after": memory("VmRSS"), "peak": memory("VmHWM")}))
"""
_NUMPY = """
import numpy
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_EDGE = "from edge.faces.cli import run; run()"
_BARE = """
import sys
import numpy as np
from {module} import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads={threads})
interpreter.allocate_tensors()
taken = interpreter.get_input_details()[0]
interpreter.set_tensor(taken["index"], np.zeros(taken["shape"], taken["dtype"]))
interpreter.invoke()
interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
"""
PEAK_MB, GROWTH_MB, COLD_RATIO = 90, 1, 2


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--quick", action="store_true", help="1 000 predictions instead of 10 000, fewer cold starts"
    )
    arguments.add_argument("--predictions", type=int)
    arguments.add_argument("--starts", type=int, help="how often edge predict and the bare script start, in turns")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    asked = arguments.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        # the processes find modules compiled, as in an installed package, whatever this one was told
        os.environ["PYTHONPYCACHEPREFIX"] = f"{place}/bytecode"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        pictures = make_pictures(Path(place))
        store = Path(place) / "store"
        with Engine.open(store, config=Config(delegate="none", threads=1)) as engine:
            taught(engine)
        goals = loops(store, pictures, asked.threads, asked.predictions or (1_000 if asked.quick else 10_000))
        goals += [cold(store, pictures["1080p JPEG"], asked.starts or (10 if asked.quick else 40))]
    verdicts(goals)


def make_pictures(place: Path) -> dict[str, Path]:
    photo = photograph("coffee.png")
    paths = {name: place / file for name, file in (
        ("224 x 224 array", "small.npy"), ("1080p array", "large.npy"), ("1080p JPEG", "large.jpg"),
        ("12-megapixel JPEG", "camera.jpg"),
    )}  # fmt: skip
    large = photo.resize((1920, 1080), Image.Resampling.BICUBIC)
    np.save(paths["224 x 224 array"], np.asarray(photo.resize((224, 224), Image.Resampling.BICUBIC)))
    np.save(paths["1080p array"], np.asarray(large))
    large.save(paths["1080p JPEG"], quality=90)
    paths["12-megapixel JPEG"].write_bytes(camera_jpeg())
    return paths


def loops(store: Path, pictures: dict[str, Path], threads: list[int], predictions: int) -> list[Goal]:
    rows, goals = [], []
    numpy_alone = int(run(["-c", _NUMPY])) / 1024
    rows.append(("numpy imported, nothing else", "", "", "", f"{numpy_alone:.1f}", ""))
    for count in threads:
        for name, path in pictures.items():
            many = predictions if name.startswith("224") else 50
            found = json.loads(
                run(["-c", _LOOP, str(store), str(path), "200" if many > 50 else "10", str(many), str(count)])
            )
            growth = found["after"] - found["before"]
            rows.append(
                (name, f"{count}", f"{many}", f"{found['before']:.1f}", f"{found['peak']:.1f}", f"{growth:.2f}")
            )
            goals.append(Goal(f"{name}, {count} thread(s): peak", found["peak"], PEAK_MB, "MB"))
            if many > 50:
                goals.append(Goal(f"growth over {many} predictions, {count} thread(s)", growth, GROWTH_MB, "MB"))
    heads = ("predict loop over", "threads", "predictions", "MB at start", "peak MB", "growth MB")
    print_table(heads, rows, "resident memory, a process each")
    return goals


def cold(store: Path, picture: Path, starts: int) -> Goal:
    config = Config()
    name = runtime.choose("auto")
    folder, card = catalogue.find_card(DEFAULT_BACKBONE, config)
    bare = _BARE.format(module=runtime.RUNTIMES[name][1], threads=runtime.thread_count(0))
    file = str(folder / f"{card.name}.tflite")
    times = paired(
        {
            "edge predict": lambda: run(["-c", _EDGE, "--store", str(store), "predict", "things", str(picture)]),
            "bare script": lambda: run(["-c", bare, file]),
        },
        repeats=starts,
        warm=2,
    )
    ratio = times["edge predict"] / times["bare script"]
    rows = [(name, *spread(values, 0)) for name, values in times.items()]
    print_table(
        ("one cold start", "min ms", "median ms", "p90 ms"), [*rows, ("edge predict / bare script", *spread(ratio))]
    )
    return Goal("cold edge predict / bare script", float(np.median(ratio)), COLD_RATIO)


def run(arguments: list[str]) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"a process of the benchmark failed: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
