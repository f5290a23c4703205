"""The command line of the workstation half: only translates; the work is in the other modules."""

from __future__ import annotations

import dataclasses
import json
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.errors import EdgeError, Kind
from trainer.hub.cli import hub
from trainer.releases.cli import release

if TYPE_CHECKING:
    from edge.types import BackboneCard, Evaluation

# the same numbers as `edge`: 0 done, 1 unexpected, 2 usage, 3 not found, 4 conflict or not ready, 5 hardware or package
EXIT: Mapping[Kind, int] = {
    "invalid": 2,
    "not_found": 3,
    "conflict": 4,
    "not_ready": 4,
    "unavailable": 5,
    "internal": 1,
}
FOLDER = click.Path(path_type=Path)  # checked by the verbs themselves, whose messages say what to do


class Verbs(click.Group):
    """Turns every failure into one line on stderr and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except EdgeError as error:
            _fail(ctx, str(error), EXIT[error.kind])
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            _fail(
                ctx, f"{what}{error.strerror or error}; check that the folder exists and has room", EXIT["unavailable"]
            )
        except Exception as error:  # noqa: BLE001  the last resort, shown in full with --debug
            _fail(ctx, f"unexpected {type(error).__name__}: {error}; run again with --debug and report it", 1)


class Several(click.Command):
    """A repeatable option may be given once with several values: ``--shots 5 10`` is ``--shots 5 --shots 10``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        repeatable = {
            name for one in self.params if isinstance(one, click.Option) and one.multiple for name in one.opts
        }
        words: list[str] = []
        last = given = ""
        for word in args:
            if word.startswith("-"):
                last, _, given = word.partition("=")
            else:
                words += [last] if given and last in repeatable else []
                given = word
            words.append(word)
        return super().parse_args(ctx, words)


def _fail(ctx: click.Context, message: str, code: int) -> None:
    if ctx.params.get("debug"):
        traceback.print_exc()
    click.echo(f"error: {' '.join(message.split())}", err=True)
    ctx.exit(code)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.pass_context
def main(ctx: click.Context, as_json: bool, debug: bool) -> None:  # noqa: ARG001
    """Make backbones and models on a workstation, for one device or a fleet of them."""
    ctx.obj = as_json


@main.command()
@click.option("--backbone", "architecture", default="efficientnet-lite0", show_default=True, help="Network to build.")
@click.option("--size", type=click.IntRange(32, 1024), help="Side of its input in pixels; default: as it was trained.")
@click.option("--representative", type=FOLDER, required=True, help="Everyday pictures that set the INT8 ranges.")
@click.option("--labelled", type=FOLDER, multiple=True, help="Folder of concepts for the accuracy gate; repeatable.")
@click.option("--out", type=FOLDER, default=Path("models"), show_default=True, help="Folder to write to.")
@click.option("--limit-points", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Largest loss.")
@click.option("--fit", type=click.Choice(["centre", "stretch"]), help="How a picture becomes a square.")
@click.option("--crop", type=click.FloatRange(0, 1, min_open=True), help="Share of the picture that is kept.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=20, show_default=True, help="Draws of ten pictures.")
@click.pass_obj
def export(as_json: bool, /, **options: Any) -> None:
    """Build a backbone from packaged weights, quantise it to INT8, measure what that costs, and write it."""
    from trainer.export import ExportOptions
    from trainer.export import export as build

    given = {key: value for key, value in options.items() if value is not None}
    _show_card(as_json, build(ExportOptions(**given)), options["out"])


@main.command()
@click.argument("file", type=FOLDER)
@click.option("--name", help="Name of the backbone; default: the file's.")
@click.option("--representative", type=FOLDER, help="Everyday pictures: the background of models with positives only.")
@click.option("--out", type=FOLDER, default=Path("models"), show_default=True, help="Folder to write to.")
@click.option("--fit", type=click.Choice(["centre", "stretch"]), help="How a picture becomes the input.")
@click.option("--crop", type=click.FloatRange(0, 1, min_open=True), help="Share of the picture that is kept.")
@click.option("--mean", type=float, help="A pixel p means (p - mean) / std; default: what the file's input says.")
@click.option("--std", type=click.FloatRange(min=0, min_open=True), help="See --mean.")
@click.option(
    "--transform", type=click.Choice(["sqrt", "signed-sqrt", "l2"]), help="Default: by the sign of its values."
)
@click.option("--licence", default="unknown", show_default=True, help="Licence of the weights.")
@click.option("--source", help="Where the file comes from; default: its name.")
@click.option("--without-embeddings", is_flag=True, help="Do not run it: no background, no golden embeddings.")
@click.pass_obj
def adopt(as_json: bool, /, file: Path, **options: Any) -> None:
    """Make a backbone of an embedding extractor FILE.tflite that was made elsewhere."""
    from trainer.adopt import AdoptOptions
    from trainer.adopt import adopt as take

    given = {key: value for key, value in options.items() if value is not None}
    _show_card(as_json, take(AdoptOptions(file=file, **given)), options["out"])


@main.command()
@click.option("--data", type=FOLDER, required=True, help="One folder per concept, or train/ and test/ of such.")
@click.option("--backbone", required=True, help="Name of a backbone that `edge backbone list` shows.")
@click.option("--out", type=FOLDER, required=True, help="The file to write.")
@click.option("--name", help="Name of the model; default: the file's.")
@click.option("--independent", is_flag=True, help="A picture may show several concepts, or none.")
@click.option("--closed-environment", is_flag=True, help="Every picture shows one of the concepts: no background.")
@click.option("--shots", type=click.IntRange(min=1), help="Learn from this many pictures a concept only.")
@click.option("--full-integer", is_flag=True, help="The head in INT8 too, with operators of the Edge TPU only.")
@click.pass_obj
def head(as_json: bool, /, data: Path, backbone: str, out: Path, **options: Any) -> None:
    """Train a concept head on folders of pictures and write it with its backbone as one file."""
    from trainer.head import train_head

    report = train_head(
        data,
        backbone,
        out,
        mutually_exclusive=not options["independent"],
        closed_environment=options["closed_environment"],
        name=options["name"],
        shots=options["shots"],
        full_integer=options["full_integer"],
    )
    if as_json:
        _print_json(dataclasses.asdict(report))
        return
    click.echo(str(report.exported))
    for path, reason in report.refused:
        click.echo(f"left out {path}: {reason}")
    for line in _evaluation_lines(report.evaluation):
        click.echo(line)
    for line in _evaluation_lines(report.held_out) if report.held_out else ():
        click.echo(line)


@main.command()
@click.argument("file", type=FOLDER)
@click.option("--data", type=FOLDER, required=True, help="One folder per concept; test/ where there is one.")
@click.pass_obj
def evaluate(as_json: bool, /, file: Path, data: Path) -> None:
    """Measure a written model FILE.tflite on folders of pictures."""
    from trainer.evaluate import evaluate_file

    evaluation = evaluate_file(file, data)
    if as_json:
        _print_json(dataclasses.asdict(evaluation))
        return
    for line in _evaluation_lines(evaluation):
        click.echo(line)


@main.command(cls=Several)
@click.option("--data", type=FOLDER, multiple=True, required=True, help="Folders of concepts, or of such folders.")
@click.option(
    "--shots",
    type=click.IntRange(min=1),
    multiple=True,
    default=(2, 5, 10, 20),
    show_default="2 5 10 20",
    help="Pictures of each concept to learn from.",
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Random draws of pictures.")
@click.option("--backbone", help="Name of a backbone that `edge backbone list` shows; default: the usual one.")
@click.option("--out", type=FOLDER, default=Path("comparison"), show_default=True, help="Folder for plots and figures.")
@click.option(
    "--cache", type=FOLDER, default=Path(".cache/bench"), show_default=True, help="Embeddings kept for the next time."
)
@click.pass_obj
def compare(as_json: bool, /, **options: Any) -> None:
    """Plot accuracy against pictures per concept: ours, its parts switched off one at a time, and what others use.

    Every DIR of --data has one sub-folder per concept, or train/ and test/ with those; without a test/ folder the
    pictures that are not learned from are the test. Sets with too few pictures for some --shots are left out there.

    Prints tables and writes accuracy.png, parts.png, parts-by-shots.png and accuracy.csv to --out.
    """
    from trainer.compare import CompareOptions, as_document, report, write_csv
    from trainer.compare import compare as measure
    from trainer.plots import draw

    given = {key: value for key, value in options.items() if value is not None}
    result = measure(CompareOptions(**given))
    files = [write_csv(result, options["out"] / "accuracy.csv"), *draw(result, options["out"])]
    if as_json:
        _print_json({**as_document(result), "files": [str(file) for file in files]})
        return
    report(result)
    click.echo("\nwrote " + ", ".join(str(file) for file in files))


main.add_command(release)
main.add_command(hub)


def _show_card(as_json: bool, card: BackboneCard, out: Path) -> None:
    if as_json:
        _print_json({**dataclasses.asdict(card), "path": str(out / f"{card.name}.tflite")})
        return
    for line in _card_lines(card, out):
        click.echo(line)


def _card_lines(card: BackboneCard, out: Path) -> Iterator[str]:
    path = out / f"{card.name}.tflite"
    pre, facts = card.preprocessing, card.facts
    yield f"{path}  {path.stat().st_size / 1e6:.1f} MB, {pre.width} x {pre.height} -> {card.embedding.size} numbers"
    yield f"picture    {pre.fit}, crop {pre.crop:g}, (p - {pre.mean:g}) / {pre.std:g}"
    if "parity" in facts:
        yield from _parity_lines(facts["parity"])
    background = facts.get("background", {}).get("count", 0)
    yield f"background {background or 'no'} pictures{'' if background else ': models with positives only need one'}"
    tpu = facts["edge_tpu"]
    yield f"edge tpu   {'; '.join(tpu['complaints']) or 'takes every operator'}; {tpu['report']}"


def _parity_lines(parity: Mapping[str, Any]) -> Iterator[str]:
    yield f"cosine     {parity['cosine_mean']:.4f}, lowest {parity['cosine_min']:.4f}, of {parity['images']} pictures"
    if "loss_points" in parity:
        yield (
            f"{parity['shots']}-shot    FP32 {100 * parity['float_accuracy']:.2f}, INT8 "
            f"{100 * parity['int8_accuracy']:.2f}: {parity['loss_points']:+.2f} points lost, "
            f"limit {parity['limit_points']:g}, mean of {parity['seeds']} draws"
        )


def _evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    from trainer.head import accuracy_line

    yield accuracy_line(evaluation)
    for one in evaluation.concepts:
        yield (
            f"  {one.id}: precision {_percent(one.precision)}, recall {_percent(one.recall)}, "
            f"average precision {_percent(one.average_precision)}"
        )
    yield from (f"  {note}" for note in evaluation.notes)


def _percent(share: float | None) -> str:
    return "undetermined" if share is None else f"{100 * share:.1f} %"


def _print_json(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


if __name__ == "__main__":
    main()
