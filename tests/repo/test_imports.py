"""What a cold start may load: a board waits for every import."""

import subprocess
import sys

import pytest

import edge

HEAVY = {"numpy", "PIL", "sqlite3", "ai_edge_litert", "tflite_runtime", "tflite", "flatbuffers", "click", "tqdm"}


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running ``code``."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import edge",
        "from edge import EdgeError, Prediction, VersionStatus",
        "import edge.types, edge.errors, edge.config",
        "import edge, sys; dir(edge); edge.__version__",
    ],
)
def test_importing_the_package_loads_nothing_heavy(code):
    assert loaded(code) & HEAVY == set()


def test_the_engine_loads_no_runtime_and_no_command_line():
    assert loaded("from edge import Engine") & {"ai_edge_litert", "tflite_runtime", "click", "serial"} == set()


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        edge.Nothing  # noqa: B018 the attribute is what is tried


def test_every_exported_name_is_there():
    loaded("import edge\nfor name in edge.__all__: getattr(edge, name)")


@pytest.mark.parametrize("package", ["edge", "firmware_bridge"])
def test_the_device_half_never_loads_the_trainer(package):
    code = (
        "import importlib, pkgutil\n"
        f"import {package}\n"
        f"for one in pkgutil.walk_packages({package}.__path__, '{package}.'):\n"
        "    if not one.name.endswith('__main__'): importlib.import_module(one.name)"
    )
    assert loaded(code) & {"trainer", "torch", "sklearn", "litert_torch", "tensorflow"} == set()
