"""What a command may load before it does anything: on a small board every import is waited for."""

import subprocess
import sys

import pytest

HEAVY = {
    "numpy", "PIL", "ai_edge_litert", "tflite_runtime", "tqdm", "sqlite3", "tflite", "flatbuffers", "serial",
    "concurrent.futures", "asyncio", "logging", "subprocess", "importlib.metadata", "edge.engine", "edge.store",
    "edge.backbone", "edge.head", "edge.image", "trainer", "firmware_bridge",
}  # fmt: skip


def loaded(code):
    """Modules that a fresh interpreter has loaded after ``code``, less those an empty one has."""
    show = "import sys; print('\\n'.join(sys.modules), file=sys.stderr)"
    ends = [f"{start}\n{show}" for start in ("", code)]
    empty, full = (
        set(subprocess.run([sys.executable, "-c", one], capture_output=True, text=True).stderr.split()) for one in ends
    )
    assert "sys" in full
    return full - empty


@pytest.mark.parametrize(
    "code",
    [
        "import edge",
        "import edge.faces.cli",
        "from edge.faces.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from edge.faces.cli import main\ntry: main(['predict', '--help'])\nexcept SystemExit: pass",
        "from edge.faces.cli import main\ntry: main(['no-such-verb'])\nexcept SystemExit: pass",
    ],
    ids=["import edge", "import edge.faces.cli", "edge --help", "edge predict --help", "edge no-such-verb"],
)
def test_nothing_heavy_is_loaded(code):
    assert loaded(code) & HEAVY == set()


def test_import_edge_does_not_load_the_command_line_either():
    assert loaded("import edge") & {"click", "edge.faces", "json"} == set()


@pytest.mark.either_runtime
@pytest.mark.usefixtures("trained")
def test_a_prediction_loads_nothing_that_only_training_or_other_verbs_need(tmp_path):
    picture = tmp_path / "red" / "1.png"
    code = (
        "from edge.faces.cli import main\n"
        f"try: main(['--store', {str(tmp_path / 'store')!r}, 'predict', 'warm', {str(picture)!r}])\n"
        "except SystemExit as end: assert end.code == 0, end.code"
    )
    found = loaded(code)
    assert "numpy" in found
    unneeded = {"tqdm", "concurrent.futures", "edge.engine.learning", "edge.engine.health", "edge.engine.heldout"}
    unneeded |= {"edge.head.training", "edge.head.statistics", "edge.metrics", "edge.export.fuse", "importlib.metadata"}
    assert found & unneeded == set()


def test_firmware_bridge_does_not_import_edge_nor_wait_for_serial():
    assert not {one for one in loaded("import firmware_bridge.cli") if one.split(".")[0] in ("edge", "serial")}
