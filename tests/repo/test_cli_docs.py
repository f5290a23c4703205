"""docs/cli.md names every verb, option, exit code and JSON field that there is, and none that there is not."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args
from unittest import mock

import click
import pytest
from click.testing import CliRunner

from edge.faces.cli import failures, main
from edge.types import Remark, RemarkKind, Suspect
from firmware_bridge.cli import main as bridge
from tests.firmware.boards import SocketBoard
from trainer.cli import main as trainer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", PAGE, re.M))


def verbs(group, path):
    """Every command that does something: its name as one types it, and the command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from verbs(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


VERBS = dict([*verbs(main, "edge"), *verbs(bridge, "firmware-bridge")])


def options(command):
    return {
        option for one in command.params if isinstance(one, click.Option) for option in (*one.opts, *one.secondary_opts)
    }


def test_every_verb_has_a_section_and_every_section_a_verb():
    assert set(VERBS) == set(SECTIONS) - {"Exit codes", "JSON"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_section_names_the_options_of_its_verb_and_no_others(verb):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", SECTIONS[verb]))
    others = {"--json"} | {one for other in VERBS if other in SECTIONS[verb] for one in options(VERBS[other])}
    assert options(VERBS[verb]) <= named
    assert named - options(VERBS[verb]) <= others


@pytest.mark.parametrize("verb", VERBS)
def test_a_section_has_an_example_of_its_verb(verb):
    examples = "".join(re.findall(r"```sh\n(.*?)```", SECTIONS[verb], re.S)).replace("edge --json ", "edge ")
    assert verb in examples


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_explains_itself(verb):
    assert VERBS[verb].help
    assert all(one.help for one in VERBS[verb].params if isinstance(one, click.Option))


def test_the_options_before_the_verb_are_all_there():
    before = PAGE[: PAGE.index("## Exit codes")]
    assert all(f"`{option}" in before for option in options(main))


def test_the_exit_codes_are_the_ones_that_are_used():
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", SECTIONS["Exit codes"], re.M)}
    assert documented == {failures.DONE, failures.INTERRUPTED, *failures.EXIT_CODES.values()}


def test_the_kinds_of_error_are_all_there():
    assert all(f"`{kind}`" in SECTIONS["JSON"] for kind in failures.EXIT_CODES)


# --- what the documents hold -----------------------------------------------------------------------------------------


def served(store):
    """What ``edge serve`` says once it listens."""
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(store), "--json", "serve", "--port", "0"]
    with subprocess.Popen([*command, "--grpc-port", "0"], stdout=subprocess.PIPE) as process:
        line = process.stdout.readline()
        process.terminate()
    return json.loads(line)


def released(folder, run):
    """What the release verbs print, of a release of this very store."""
    run("model", "create", "walls", "--concept", "brick")
    run("train", "walls")
    (folder / "stick").mkdir()
    CliRunner().invoke(trainer, ["release", "keys", str(folder / "keys"), "--root", "1"])
    published = ["release", "publish", str(folder / "repo"), "--store", str(folder / "store")]
    done = CliRunner().invoke(trainer, [*published, "--keys", str(folder / "keys"), "--to", str(folder / "stick")])
    assert done.exit_code == 0, done.output
    root = folder / "repo" / "metadata" / "1.root.json"
    return {
        "edge release trust": run("release", "trust", root, "--from", folder / "stick"),
        "edge release check": run("release", "check"),
        "edge release apply": run("release", "apply"),
        "edge release auto": run("release", "auto"),
        "edge release rollback": run("release", "rollback"),
    }


def synchronised(folder, run):
    """What the verbs about remotes print."""
    (folder / "remote").mkdir()
    id = run("inputs")["inputs"][0]["id"]
    return {
        "edge remote add": run("remote", "add", "home", folder / "remote"),
        "edge remote list": run("remote", "list"),
        "edge sync": run("sync", "home"),
        "edge remote check": run("remote", "check", "home"),
        "edge remote thin": run("remote", "thin", "home"),
        "edge remote fetch": run("remote", "fetch", id),
        "edge remote remove": run("remote", "remove", "home"),
    }


@pytest.fixture(scope="module")
def printed(tmp_path_factory, photographs):
    """Verb -> the JSON document it prints, each on a store where it has something to print."""
    folder = tmp_path_factory.mktemp("printed")
    taught = photographs / "taught"
    shutil.copy(taught / "brick" / "0.png", folder / "a.png")

    def run(*arguments):
        done = CliRunner().invoke(main, ["--store", str(folder / "store"), "--json", *map(str, arguments)])
        assert done.exit_code == 0, (arguments, done.output)
        return json.loads(done.stdout)

    found = {
        "edge init": run("init"),
        "edge add": run("add", taught / "brick", folder / "a.png", "--concept", "brick"),
        "edge inputs": run("inputs", "--limit", "2"),
    }
    id = found["edge inputs"]["inputs"][0]["id"]
    run("add", taught / "grass", "--not-concept", "brick")
    found |= {
        "edge annotate": run("annotate", id, "--concept", "stone"),
        "edge concepts list": run("concepts", "list"),
        "edge concepts rename": run("concepts", "rename", "stone", "a stone"),
        "edge remove": run("remove", id),
        "edge restore": run("restore", id),
        "edge export-data": run("export-data", folder / "out", "--format", "csv"),
        "edge import": run("import", folder / "out"),
        "edge model create": run("model", "create", "m", "--concept", "brick"),
        "edge train": run("train", "m"),
        "edge model list": run("model", "list"),
        "edge model show": run("model", "show", "m"),
        "edge model add-concept": run("model", "add-concept", "m", "a stone"),
        "edge model remove-concept": run("model", "remove-concept", "m", "stone"),
        "edge model set": run("model", "set", "m", "--open-environment"),
        "edge predict": run("predict", "m", folder / "a.png"),
        "edge evaluate": run("evaluate", "m"),
        "edge versions": run("versions", "m"),
        "edge rollback": run("rollback", "m", "v1"),
        "edge export": run("export", "m", folder / "m.tflite"),
        "edge model install": run("model", "install", folder / "m.tflite"),
        "edge backbone list": run("backbone", "list"),
        "edge backbone use": run("backbone", "use", "efficientnet-lite0-224"),
        "edge doctor": run("doctor"),
        "edge model delete": run("model", "delete", "m"),
    }
    found |= {
        "edge key create": run("key", "create", "phone"),
        "edge key list": run("key", "list"),
        "edge key revoke": run("key", "revoke", "phone"),
        "edge service install": run("service", "install", "--print"),
        "edge serve": served(folder / "store"),
    }
    found |= synchronised(folder, run) | released(folder, run)
    with mock.patch("edge.faces.api.unit.uninstall", return_value=Path("/etc/systemd/system/x.service")):
        found["edge service uninstall"] = run("service", "uninstall")
    run("model", "create", "watched", "--concept", "brick")
    run("train", "watched")
    looked = CliRunner().invoke(
        main, ["--store", str(folder / "store"), "--json", "watch", "fake://?fps=0&count=3", "--model", "watched"]
    )
    assert looked.exit_code == 0, looked.output
    found["edge watch"] = {name: one for line in looked.stdout.splitlines() for name, one in json.loads(line).items()}
    with SocketBoard() as board:
        for name, more in (
            ("ports", ()),
            ("ping", (board.port,)),
            ("monitor", (board.port, "--seconds", "0.5")),
            ("send", (board.port, "config", "1", "2")),
        ):
            done = CliRunner().invoke(bridge, [name, *more, "--json"])
            assert done.exit_code == 0, (name, done.output)
            found[f"firmware-bridge {name}"] = json.loads(done.stdout.splitlines()[-1])
    return found


RECORDS = {
    name: set(re.findall(r"\w+", row))
    for name, row in re.findall(
        r"^\| (Input|Model|Version|Evaluation|Suspect|Remark) \| (.*) \|$", SECTIONS["JSON"], re.M
    )
}


def test_every_verb_is_asked_for_its_document(printed):
    assert set(printed) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_field_at_the_top_of_a_document_is_named(printed, verb):
    section = SECTIONS[verb]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", section))))
    for name, fields in RECORDS.items():
        named |= fields if re.search(rf"\ban? {name}\b|\({name}s", section) else set()
    assert set(printed[verb]) - named == set()


def test_the_records_are_named_field_by_field(printed):
    version = printed["edge train"]
    assert set(printed["edge inputs"]["inputs"][0]) <= RECORDS["Input"]
    assert set(printed["edge inputs"]["inputs"][0]["annotations"][0]) <= RECORDS["Input"]
    assert set(printed["edge model create"]["model"]) <= RECORDS["Model"]
    assert set(version) - {"version", "unpinned"} <= RECORDS["Version"]
    assert set(version["evaluation"]) <= RECORDS["Evaluation"]
    assert set(version["evaluation"]["concepts"][0]) <= RECORDS["Evaluation"]
    assert {field.name for field in dataclasses.fields(Suspect)} <= RECORDS["Suspect"]
    assert {field.name for field in dataclasses.fields(Remark)} <= RECORDS["Remark"]


def test_the_kinds_of_remark_are_all_there():
    assert all(f"`{kind}`" in SECTIONS["edge evaluate"] for kind in get_args(RemarkKind))


def test_the_contract_of_scripts_holds(printed):
    assert isinstance(printed["edge evaluate"]["accuracy"], float)
    assert {"version", "status", "evaluation"} <= set(printed["edge train"])
    (one,) = printed["edge predict"]["predictions"]
    assert {"path", "version", "known", "is_known", "concepts"} <= set(one)
    assert set(one["concepts"][0]) == {"id", "name", "value"}


def test_the_error_in_the_page_is_one_that_is_printed(tmp_path):
    given = ["--store", str(tmp_path / "store"), "--json"]
    CliRunner().invoke(main, [*given, "init", "--backbone", "fake"])
    CliRunner().invoke(main, [*given, "model", "create", "tomatoes", "--concept", "ripe"])
    done = CliRunner().invoke(main, [*given, "model", "show", "x"])
    example = re.search(r"```json\n(.*?)```", SECTIONS["JSON"], re.S)[1]
    assert json.loads(done.stderr) == json.loads(example)
