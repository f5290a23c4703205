"""Habits that keep the code readable: short files, documented entrances, one word for one thing."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("edge", "trainer", "firmware_bridge") for path in (ROOT / folder).rglob("*.py"))
DEVICE = [path for path in SOURCES if path.is_relative_to(ROOT / "edge")]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# DESIGN's other names for its nouns. Left out: words that are also Python's or a library's (model, class, item, ...).
NOT_CALLED = {
    "asset", "assets", "category", "categories", "classifier", "classifiers", "checkpoint", "checkpoints",
    "extractor", "extractors", "feature", "features", "rating", "ratings", "tag", "tags",
}  # fmt: skip
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", [path for path in SOURCES if path.read_text().strip()], ids=name)
def test_a_module_says_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or path.name == "__main__.py"


@pytest.mark.parametrize("path", DEVICE, ids=name)
def test_public_functions_and_classes_are_documented(path):
    assert undocumented(ast.parse(path.read_text(encoding="utf-8"))) == []


def undocumented(tree: ast.AST) -> list[str]:
    """Public classes, and functions with a body of more than a line or two, that have no docstring."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            found += [] if ast.get_docstring(node) else [node.name]
            found += [f"{node.name}.{one}" for one in undocumented(node)]
        elif len(node.body) > 1 and not ast.get_docstring(node) and not is_command(node):
            found.append(node.name)
    return found


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("command" in ast.unparse(one) for one in node.decorator_list)


OTHERS = {"tflite_metadata.py", "coco.py"}  # they speak their formats' language
OURS = [path for path in DEVICE if path.name not in OTHERS]


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_thing_has_one_name(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = {one for one in identifiers(tree) if {word.lower() for word in WORDS.findall(one)} & NOT_CALLED}
    assert wrong == set()


def identifiers(tree: ast.AST) -> set[str]:
    """Names that this code chose: of functions, classes, arguments, variables and attributes it assigns."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_pickled_and_no_shell_is_started(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(import|from) (pickle|shelve|marshal)\b", text, re.M)
    assert not re.search(r"allow_pickle=True|shell=True|os\.system\(|os\.popen\(", text)
