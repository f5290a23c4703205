"""Bad input through the real command line: one clear line, the documented exit code, and nothing half written."""

import json
import shutil
import sqlite3
import struct
import zlib
from contextlib import closing

import pytest
from click.testing import CliRunner
from PIL import Image

from edge.faces.cli import main


@pytest.fixture
def edge(tmp_path):
    """``edge("add", path)``: click's result of the command on the test's store."""

    def run(*arguments, options=()):
        given = ["--store", str(tmp_path / "store"), *options, *map(str, arguments)]
        return CliRunner().invoke(main, given)

    return run


@pytest.fixture(scope="session")
def template(tmp_path_factory, blob):
    """What ``store`` copies: made once, because training takes a while."""
    folder = tmp_path_factory.mktemp("template")
    for colour in ("red", "green"):
        (folder / colour).mkdir()
        for number in range(2):
            Image.fromarray(blob(colour, number)).save(folder / colour / f"{number}.png")
    for arguments in (
        ("init", "--backbone", "fake"),
        ("add", folder / "red", "--concept", "red"),
        ("add", folder / "green", "--not-concept", "red"),
        ("model", "create", "warm", "--concept", "red"),
        ("model", "create", "new", "--concept", "red"),
        ("model", "create", "hopeless", "--concept", "nobody-showed-it"),
        ("train", "warm"),
    ):
        done = CliRunner().invoke(main, ["--store", str(folder / "store"), *map(str, arguments)])
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def store(template, tmp_path):
    """A store with four pictures, a trained model "warm" and an untrained one, "new". Returns its folder."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path / "store"


@pytest.fixture
def unchanged(store):
    """Fails the test when the store is not afterwards what it was before: rows and files."""
    before = contents(store)
    yield
    assert contents(store) == before


def contents(store):
    with closing(sqlite3.connect(store / "store.sqlite")) as connection:
        rows = list(connection.iterdump())
    ignored = ("store.sqlite", ".lock")
    files = {str(path.relative_to(store)) for path in store.rglob("*") if not any(one in path.name for one in ignored)}
    return rows, files


def refused(done, code, *words):
    """One line on standard error, nothing on standard output, the exit code, and these words."""
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def huge_png(path):
    """A PNG that claims 60 000 x 60 000 pixels in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)))
    return path


def truncated_jpeg(path, saved, blob):
    whole = saved("whole.jpg", blob("red", 1, (200, 200))).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


BAD = {
    "no picture": lambda tmp_path, *_: write(tmp_path / "bad.jpg", b"#!/bin/sh\necho I am no picture\n"),
    "empty": lambda tmp_path, *_: write(tmp_path / "bad.png", b""),
    "truncated": lambda tmp_path, saved, blob: truncated_jpeg(tmp_path / "bad.jpg", saved, blob),
    "huge": lambda tmp_path, *_: huge_png(tmp_path / "bad.png"),
}


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.fixture(params=BAD, ids=lambda name: name.replace(" ", "-"))
def bad(request, tmp_path, saved, blob):
    """A file that looks like a picture and is none."""
    return BAD[request.param](tmp_path, saved, blob)


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
def test_a_bad_picture_is_refused_by_add(edge, bad):
    refused(edge("add", bad, "--concept", "red"), 2, ";")


@pytest.mark.usefixtures("unchanged")
def test_a_bad_picture_is_refused_by_predict(edge, bad):
    refused(edge("predict", "warm", bad), 2, ";")


def test_one_bad_file_among_many_does_not_stop_the_others(edge, store, bad, saved, blob, tmp_path):
    saved("many/1.png", blob("red", 11))
    saved("many/3.png", blob("red", 13))
    bad.rename(tmp_path / "many" / f"2{bad.suffix}")
    done = edge("add", tmp_path / "many", "--concept", "red", options=["--json"])
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    assert document["created"] == 2
    assert [one["source"] for one in document["refused"]] == [str(tmp_path / "many" / f"2{bad.suffix}")]
    assert json.loads(done.stderr)["error"]["code"] == "some_left_out"
    assert not [name for name in contents(store)[1] if ".tmp-" in name]


@pytest.mark.usefixtures("store")
def test_every_file_that_was_left_out_is_named_to_people(edge, bad, saved, blob, tmp_path):
    saved("many/1.png", blob("red", 11))
    bad.rename(tmp_path / "many" / f"2{bad.suffix}")
    done = edge("add", tmp_path / "many")
    assert done.exit_code == 2
    assert done.stdout.startswith("1 picture added")
    first, last = done.stderr.splitlines()
    assert f"2{bad.suffix}" in first
    assert last == "edge: 1 of 2 files were left out; the others are done"


@pytest.mark.usefixtures("unchanged")
def test_a_directory_where_a_picture_is_meant(edge, tmp_path):
    refused(edge("predict", "warm", tmp_path / "red"), 3, "is a directory", "give the path of an image file")


@pytest.mark.usefixtures("unchanged")
def test_a_folder_without_pictures(edge, tmp_path):
    (tmp_path / "nothing").mkdir()
    refused(edge("add", tmp_path / "nothing"), 3, "no pictures in")
    refused(edge("add", tmp_path / "nothing", "--from-folders"), 3, "has no sub-folders")


@pytest.mark.usefixtures("unchanged")
def test_a_file_that_is_not_there(edge, tmp_path):
    refused(edge("add", tmp_path / "missing.png"), 3, "does not exist")
    refused(edge("predict", "warm", tmp_path / "missing.png"), 3, "does not exist")
    refused(edge("add", tmp_path / "missing*.png"), 3, "nothing matches")
    refused(edge("evaluate", "warm", "--folder", tmp_path / "missing"), 3, "is no folder")


@pytest.mark.usefixtures("store")
def test_a_file_name_cannot_command_the_terminal(edge, tmp_path):
    bad = write(tmp_path / "\x1b[2Jcleared\n.png", b"no picture")
    done = edge("add", bad, tmp_path / "red")
    assert done.exit_code == 2
    assert "\x1b" not in done.output
    assert "\\x1b[2Jcleared" in done.stderr


@pytest.mark.usefixtures("store")
def test_a_file_name_that_is_not_utf_8_is_as_good_as_any(edge, tmp_path):
    name = tmp_path / "caf\udce9.png"
    name.write_bytes((tmp_path / "red" / "0.png").read_bytes())
    assert edge("add", name).exit_code == 0
    done = edge("predict", "warm", name)
    assert done.exit_code == 0
    assert "caf\\xe9.png" in done.stdout
    assert edge("predict", "warm", name, options=["--json"]).exit_code == 0


# --- names -----------------------------------------------------------------------------------------------------------

NAMES = [
    "a/b",
    "../up",
    "a\\b",
    "",
    " ",
    "tab\there",
    "line\nfeed",
    "null\0",
    "esc\x1b[0m",
    "\udce9",
    "x" * 129,
    "..",
    "-x",
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_cannot_be_one_is_refused_wherever_it_is_given(edge, name, tmp_path):
    picture = tmp_path / "red" / "0.png"
    refused(edge("add", picture, f"--concept={name}"), 2, "choose another")
    refused(edge("model", "create", "m", f"--concept={name}"), 2, "choose another")
    refused(edge("model", "create", "--concept=red", "--", name), 2, "choose another")


@pytest.mark.usefixtures("unchanged")
def test_what_is_both_shown_and_not_shown_is_refused(edge, tmp_path):
    refused(edge("add", tmp_path / "red", "--concept", "red", "--not-concept", "red"), 2, "both shown and not shown")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "cold"), "there are: hopeless, new, warm"),
        (("predict", "cold", "red/0.png"), "there are:"),
        (("evaluate", "cold"), "there are:"),
        (("versions", "cold"), "there are:"),
        (("rollback", "cold", "v1"), "there are:"),
        (("export", "cold", "cold.tflite"), "there are:"),
        (("model", "show", "cold"), "there are:"),
        (("model", "delete", "cold"), "there are:"),
        (("predict", "warm", "red/0.png", "--version", "v9"), "edge versions warm"),
        (("rollback", "warm", "v9"), "edge versions warm"),
        (("predict", "warm", "red/0.png", "--select", "blue"), "it has: red"),
        (("annotate", "no-such-input", "--concept", "red"), "edge inputs"),
        (("remove", "no-such-input"), "edge inputs"),
        (("restore", "no-such-input"), "edge inputs"),
        (("backbone", "use", "no-such-backbone"), "efficientnet-lite0-224"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_exist_is_answered_with_what_does(edge, tmp_path, arguments, says):
    given = [str(tmp_path / one) if one.startswith("red/") else one for one in arguments]
    refused(edge(*given), 3, says)


@pytest.mark.usefixtures("store")
def test_a_concept_that_is_not_there_cannot_be_cleared(edge):
    id = json.loads(edge("inputs", options=["--json"]).stdout)["inputs"][0]["id"]
    refused(edge("annotate", id, "--clear", "blue"), 3, "edge concepts")
    refused(edge("annotate", id), 2, "nothing to say")


# --- models ----------------------------------------------------------------------------------------------------------


def test_training_without_positives_says_what_is_missing(edge, store):
    heads = {name for name in contents(store)[1] if name.endswith(".head")}
    refused(edge("train", "hopeless"), 4, "nobody-showed-it")
    assert {name for name in contents(store)[1] if name.endswith(".head")} == heads


@pytest.mark.usefixtures("unchanged")
def test_one_concept_alone_cannot_exclude_others(edge):
    refused(edge("model", "create", "m", "--concept", "red", "--mutually-exclusive"), 2, "at least two concepts")


@pytest.mark.usefixtures("unchanged")
def test_a_model_needs_a_concept_and_a_free_name(edge):
    refused(edge("model", "create", "m"), 2, "--concept")
    refused(edge("model", "create", "warm", "--concept", "red"), 4, "exists")


@pytest.mark.usefixtures("unchanged")
def test_an_untrained_model_cannot_answer(edge, tmp_path):
    refused(edge("predict", "new", tmp_path / "red" / "0.png"), 4, "edge train new")
    refused(edge("evaluate", "new"), 4, "edge train new")
    refused(edge("export", "new", tmp_path / "new.tflite"), 4, "edge train new")
    assert not (tmp_path / "new.tflite").exists()


@pytest.mark.usefixtures("store")
def test_a_failed_version_cannot_be_used(edge, tmp_path):
    edge("train", "hopeless")
    refused(edge("rollback", "hopeless", "v1"), 4, "edge versions hopeless")
    refused(edge("predict", "hopeless", tmp_path / "red" / "0.png"), 4, "failed")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "inf"])
def test_a_value_outside_0_and_1_is_refused(edge, tmp_path, value):
    refused(edge("predict", "warm", tmp_path / "red" / "0.png", f"--min-value={value}"), 2, "[0, 1]")


def test_a_head_whose_bytes_have_changed_is_not_used(edge, store, tmp_path):
    (head,) = (store / "versions").glob("*.head")
    data = bytearray(head.read_bytes())
    data[-1] ^= 1
    head.write_bytes(data)
    refused(edge("predict", "warm", tmp_path / "red" / "0.png"), 2, "damaged", "train the model again")


# --- the store -------------------------------------------------------------------------------------------------------


def test_a_store_of_a_newer_release_is_left_alone(edge, store):
    with closing(sqlite3.connect(store / "store.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = (store / "store.sqlite").read_bytes()
    refused(edge("concepts"), 4, "newer release", "pip install -U edge-concepts")
    assert (store / "store.sqlite").read_bytes() == before


def test_a_store_that_is_no_database_says_so(edge, store):
    (store / "store.sqlite").write_bytes(b"this is no database, " * 500)
    refused(edge("concepts"), 5, "store.sqlite is damaged")


def test_a_store_that_is_damaged_inside_says_so(edge, store):
    for extra in store.glob("store.sqlite-*"):
        extra.unlink()
    data = bytearray((store / "store.sqlite").read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    (store / "store.sqlite").write_bytes(data)
    refused(edge("inputs"), 5, "damaged")


def test_a_file_where_a_store_is_meant(edge, tmp_path):
    (tmp_path / "store").write_text("a file")
    refused(edge("concepts"), 2, "choose another with --store")
    refused(edge("init"), 2, "choose another with --store")


@pytest.mark.parametrize("setting", ["EDGE_RUNTIME", "EDGE_DELEGATE", "EDGE_THREADS"])
@pytest.mark.usefixtures("store")
def test_a_wrong_setting_names_its_variable(edge, monkeypatch, setting):
    monkeypatch.setenv(setting, "sideways")
    refused(edge("concepts"), 2, setting)
