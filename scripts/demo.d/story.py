"""The demo's story: the real command line on real photographs, told as it goes. scripts/demo runs it.

Every figure that is printed comes out of a command's JSON; they are kept in ``figures.json`` beside the contact sheet.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pictures
import sheet

HERE = Path(__file__).resolve().parent
NOWHERE = "none of these"
ALLOWED_DIFFERENCE = 2 / 256
RUNTIMES = {"ai_edge_litert": "LiteRT", "tflite_runtime": "tflite-runtime"}
_MADE_HERE = ("edge-store", "pictures", "ground.tflite", "contact-sheet.png", "figures.json")

Json = dict[str, Any]


class Device:
    """Runs commands in the demo's folder as a person would, and prints each before it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._edge = Path(sys.executable).parent / "edge"
        self._environment = {key: value for key, value in os.environ.items() if key != "EDGE_STORE"}
        self.seconds = 0.0

    def edge(self, *arguments: str | Path, shown: str | None = None) -> Json:
        """Run ``edge --json ARGUMENTS``; returns its document. ``shown``: what to print for many file names."""
        print(f"   $ edge --json {shown or shlex.join(str(one) for one in arguments)}", flush=True)
        document: Json = json.loads(self._run([self._edge, "--json", *arguments]))
        return document

    def show(self, *arguments: str | Path) -> None:
        """Run ``edge ARGUMENTS`` and print what it prints to people."""
        print(f"   $ edge {shlex.join(str(one) for one in arguments)}", flush=True)
        for line in self._run([self._edge, *arguments]).splitlines():
            print(f"     {line}".rstrip())

    def bare(self, *arguments: str | Path, shown: str) -> Json:
        """Run the exported file without this project."""
        print(f"   $ python ../scripts/demo.d/bare.py {shown}", flush=True)
        document: Json = json.loads(self._run([sys.executable, "-I", HERE / "bare.py", *arguments]))
        return document

    def _run(self, command: Sequence[str | Path]) -> str:
        started = time.monotonic()
        done = subprocess.run(
            [str(one) for one in command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.seconds = time.monotonic() - started
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nthe demo stops here: that command ended with {done.returncode}")
        return done.stdout

    def size(self, name: str) -> int:
        """Bytes of a file of the demo's folder."""
        return (self._folder / name).stat().st_size

    def files(self, pattern: str) -> list[Path]:
        """Files of the demo's folder, relative to it."""
        return sorted(path.relative_to(self._folder) for path in self._folder.glob(pattern))


def main() -> None:
    parser = argparse.ArgumentParser(description="Teach, ask, correct and export, with real photographs.")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for everything the demo makes")
    out: Path = parser.parse_args().out.resolve()
    fresh(out)
    pictures.cut(out / "pictures")
    say(f"Everything happens in {out.name}/. To repeat a command by hand, go there and put this first in PATH:")
    say(f"   {Path(sys.executable).parent}")
    device, figures = Device(out), {}
    far = teach_ground(device, figures)
    strangers = meet_strangers(device, figures)
    closer = correct(device, figures)
    faces = teach_faces(device, figures)
    export(device, figures)
    draw(out, figures, far, closer, strangers, faces)
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    say(f"\nLook at {out.name}/contact-sheet.png; the figures are in {out.name}/figures.json.")


def fresh(out: Path) -> None:
    """Remove what an earlier demo left, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in _MADE_HERE:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


# --- the chapters --------------------------------------------------------------------------------------------------


def teach_ground(device: Device, figures: Json) -> list[Json]:
    """Three kinds of ground, ten crops of each; measured on crops from the other side of the same photographs."""
    title("1. Ten crops of brick, grass and gravel, taken from the left of three photographs")
    device.edge("init")
    added = device.edge("add", "pictures/taught", "--from-folders")
    concepts = [one for ground in pictures.GROUNDS for one in ("--concept", ground)]
    device.edge("model", "create", "ground", *concepts, "--mutually-exclusive")
    trained = device.edge("train", "ground")
    figures["taught"] = len(added["inputs"])
    figures["leave_one_out"] = trained["evaluation"]["accuracy"]
    figures["train_seconds"] = round(device.seconds, 2)
    say(
        f"   {figures['taught']} pictures taught; {percent(figures['leave_one_out'])} right when each is left out in "
        f"turn. Training took {device.seconds:.1f} s, start of the program included."
    )
    measured = device.edge("evaluate", "ground", "--folder", "pictures/held-out")
    figures["held_out"], figures["held_out_pictures"] = measured["accuracy"], measured["inputs"]
    say(f"   On {measured['inputs']} crops from the right, not seen before: {percent(measured['accuracy'])} right.")
    return predict(device, "ground", "pictures/held-out/*/0[258].png")


def meet_strangers(device: Device, figures: Json) -> list[Json]:
    """Photographs of none of the taught kinds."""
    title("2. Strangers: a cat, a cup of coffee, a rocket ... have no right answer here")
    answers = predict(device, "ground", "pictures/strangers/*")
    refused = sum(not one["is_known"] for one in answers)
    figures["strangers"], figures["strangers_refused"] = len(answers), refused
    device.show("predict", "ground", "pictures/strangers/chelsea.png")
    say(f"   {refused} of {len(answers)} are told as “{NOWHERE}”.")
    return answers


def correct(device: Device, figures: Json) -> list[tuple[Json, Json]]:
    """The same ground from closer up, where the device fails until it is corrected; pairs of before and after."""
    title("3. The camera is mounted four times closer, and the device is corrected in the field")
    before = closer_up(device, figures, "before")
    device.edge("add", "pictures/field")
    answers = predict(device, "ground", "pictures/field/*")
    waiting = device.edge("inputs", "--unlabelled")["inputs"]
    ids = {Path(one["source"]).name: one["id"] for one in waiting}
    corrections = 0
    for answer in answers:
        truth = Path(answer["path"]).name.partition("-")[0]
        if said(answer) != truth:
            others = [one for ground in pictures.GROUNDS if ground != truth for one in ("--not-concept", ground)]
            device.edge("annotate", ids[Path(answer["path"]).name], "--concept", truth, *others)
            corrections += 1
    device.edge("train", "ground")
    figures["corrections"], figures["retrain_seconds"] = corrections, round(device.seconds, 2)
    say(f"   {corrections} corrections, and {device.seconds:.1f} s to train again.")
    after = closer_up(device, figures, "after")
    device.show("evaluate", "ground", "--folder", "pictures/closer")
    return list(zip(before, after, strict=True))


def closer_up(device: Device, figures: Json, when: str) -> list[Json]:
    measured = device.edge("evaluate", "ground", "--folder", "pictures/closer")
    count = figures["closer"] = measured["inputs"]
    known = round(measured["known_rate"] * count)
    figures[f"closer_{when}"], figures[f"closer_known_{when}"] = measured["accuracy"], known
    right = percent(measured["accuracy"])
    say(f"   On {count} crops from as close: {right} right, “{NOWHERE}” said of {count - known}.")
    return predict(device, "ground", "pictures/closer/*/0[258].png")


def teach_faces(device: Device, figures: Json) -> list[Json]:
    """One independent concept with pictures that show it and pictures that do not."""
    title("4. A second model in the same store: is it a face? (25 x 25 grey pixels each)")
    device.edge("add", "pictures/faces-taught/face", "--concept", "face")
    device.edge("add", "pictures/faces-taught/other", "--not-concept", "face")
    device.edge("model", "create", "faces", "--concept", "face")
    trained = device.edge("train", "faces")
    figures["faces_leave_one_out"] = trained["evaluation"]["accuracy"]
    measured = device.edge("evaluate", "faces", "--folder", "pictures/faces-held-out")
    figures["faces_held_out"], figures["faces"] = measured["accuracy"], measured["inputs"]
    say(
        f"   {percent(figures['faces_leave_one_out'])} by leave-one-out, {percent(measured['accuracy'])} of "
        f"{measured['inputs']} pictures that it has not seen."
    )
    return predict(device, "faces", "pictures/faces-held-out/*/*[05].png")


def export(device: Device, figures: Json) -> None:
    """One file, run without this project; its values must be the ones ``edge predict`` gives."""
    title("5. One file that runs anywhere a TFLite runtime does")
    device.edge("export", "ground", "ground.tflite")
    shown = "pictures/closer/*/*"
    paths = device.files(shown)
    ours = predict(device, "ground", shown)
    framing = framing_of(device)
    bare = device.bare("ground.tflite", *framing, *paths, shown=f"ground.tflite {shlex.join(framing)} {shown}")
    theirs = {one["path"]: one["values"] for one in bare["pictures"]}
    difference = max(
        abs(theirs[one["path"]][concept["id"]] - concept["value"]) for one in ours for concept in one["concepts"]
    )
    figures["export_bytes"] = device.size("ground.tflite")
    figures["export_difference"], figures["runtime"] = difference, bare["runtime"]
    megabytes, runtime = figures["export_bytes"] / 1e6, RUNTIMES[figures["runtime"]]
    say(f"   {megabytes:.1f} MB, run by {runtime} alone: {len(paths)} pictures, and no value differs by more than")
    say(f"   {difference:.2g} from the one of edge predict.")
    if bare["edge"] or difference > ALLOWED_DIFFERENCE:
        sys.exit(f"the exported file does not give what edge predict gives (allowed: {ALLOWED_DIFFERENCE:.4f})")


def framing_of(device: Device) -> list[str]:
    """How the network wants a picture cut, from its card; the rest of the preparation is in the file itself."""
    name = device.edge("versions", "ground")["versions"][0]["backbone"]
    cards = {card["name"]: card for card in device.edge("backbone", "list")["backbones"]}
    preprocessing = cards[name]["preprocessing"]
    return ["--fit", preprocessing["fit"], "--crop", str(preprocessing["crop"])]


# --- the contact sheet ---------------------------------------------------------------------------------------------


def draw(
    out: Path,
    figures: Json,
    far: list[Json],
    closer: list[tuple[Json, Json]],
    strangers: list[Json],
    faces: list[Json],
) -> None:
    """Nine pictures of each chapter, the first ones that are spread evenly over its kinds."""
    sheet.draw(
        "Photographs the device had not seen, and what it said",
        f"EfficientNet-Lite0, INT8, run by {RUNTIMES[figures['runtime']]}; {figures['taught']} pictures of ground and "
        f"{2 * pictures.TAUGHT_FACES} of faces and other things taught",
        (
            sheet.Section(
                "Brick, grass or gravel?",
                f"{percent(figures['held_out'])} of {figures['held_out_pictures']} right",
                tuple(ground_tile(out, one, known(one)) for one in far),
            ),
            sheet.Section(
                f"From four times closer, after {figures['corrections']} corrections",
                before_and_after(figures),
                tuple(ground_tile(out, after, f"before: {said(before)}") for before, after in closer),
            ),
            sheet.Section(
                "Strangers",
                f"{figures['strangers_refused']} of {figures['strangers']} told as “{NOWHERE}”",
                tuple(stranger_tile(out, one) for one in strangers),
            ),
            sheet.Section(
                "A face?",
                f"{percent(figures['faces_held_out'])} of {figures['faces']} right",
                tuple(face_tile(out, one) for one in some(faces)),
            ),
        ),
        out / "contact-sheet.png",
    )


def before_and_after(figures: Json) -> str:
    was, now = (f"{percent(figures[f'closer_{when}'])} right" for when in ("before", "after"))
    return (
        f"of {figures['closer']}, before: {was}, {figures['closer_known_before']} known; "
        f"after: {now}, {figures['closer_known_after']} known"
    )


def ground_tile(out: Path, answer: Json, note: str) -> sheet.Tile:
    truth, best = Path(answer["path"]).parent.name, answer["concepts"][0]
    if not answer["is_known"]:
        return sheet.Tile(out / answer["path"], NOWHERE, None, f"{known(answer)}, else {best['name']}", "abstained")
    verdict: sheet.Verdict = "right" if best["name"] == truth else "wrong"
    return sheet.Tile(out / answer["path"], best["name"], best["value"], note, verdict)


def stranger_tile(out: Path, answer: Json) -> sheet.Tile:
    best = answer["concepts"][0]
    if answer["is_known"]:
        return sheet.Tile(out / answer["path"], best["name"], best["value"], known(answer), "wrong")
    return sheet.Tile(out / answer["path"], NOWHERE, None, f"{known(answer)}, else {best['name']}", "right")


def face_tile(out: Path, answer: Json) -> sheet.Tile:
    is_face, value = Path(answer["path"]).parent.name == "face", answer["concepts"][0]["value"]
    verdict: sheet.Verdict = "right" if (value >= 0.5) == is_face else "wrong"
    return sheet.Tile(out / answer["path"], "face" if value >= 0.5 else "no face", value, known(answer), verdict)


def some(answers: list[Json], count: int = 9) -> list[Json]:
    """``count`` of them at even distances."""
    return [answers[(2 * place + 1) * len(answers) // (2 * count)] for place in range(count)]


# --- words ---------------------------------------------------------------------------------------------------------


def predict(device: Device, model: str, pattern: str) -> list[Json]:
    answers: list[Json] = device.edge("predict", model, *device.files(pattern), shown=f"predict {model} {pattern}")[
        "predictions"
    ]
    return answers


def said(answer: Json) -> str:
    """The highest concept, or that it is none of these."""
    return str(answer["concepts"][0]["name"]) if answer["is_known"] else NOWHERE


def known(answer: Json) -> str:
    return f"known {answer['known']:.2f}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def title(words: str) -> None:
    print(f"\n{words}", flush=True)


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
