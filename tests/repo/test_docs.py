"""What the documents say is true: their code runs, their links lead somewhere, their files exist."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
BLOCK = re.compile(r"^(?:<!-- not run: *(?P<why>.*?) *-->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
NAMED_FILE = re.compile(r"`((?:edge|trainer|firmware_bridge|scripts|tests|docs|models|\.ci)/[\w./-]*)`")


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    why_not: str | None


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(one["language"], one["code"], one["why"]) for one in found]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def photographs(folder: Path) -> None:
    """What the documents expect to find: photos/ripe, photos/green, and bench.jpg, which shows something ripe."""
    source = Path(find_spec("skimage").origin).parent / "data"
    for kind, texture, tint in (("ripe", "gravel", (1, 0.3, 0.25)), ("green", "grass", (0.4, 0.9, 0.3))):
        grey = np.asarray(Image.open(source / f"{texture}.png").convert("L"))
        (folder / "photos" / kind).mkdir(parents=True)
        for number in range(10):
            x, y = 120 * (number % 4), 160 * (number // 4)
            part = grey[y : y + 160, x : x + 120, np.newaxis] * np.array(tint)
            Image.fromarray(part.astype(np.uint8)).save(folder / "photos" / kind / f"{number:02}.jpg", quality=92)
    grey = np.asarray(Image.open(source / "gravel.png").convert("L"))[330:490, 380:500, np.newaxis]
    Image.fromarray((grey * np.array((1, 0.3, 0.25))).astype(np.uint8)).save(folder / "bench.jpg", quality=92)


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EDGE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    start = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    return subprocess.run(
        [*start, block.code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name)
def test_every_block_of_a_page_runs_in_order(page, tmp_path):
    photographs(tmp_path)
    try:
        for block in blocks(page):
            if block.language in ("python", "sh") and block.why_not is None:
                done = run(block, tmp_path)
                assert done.returncode == 0, f"{name(page)}:\n{block.code}\n{done.stdout}\n{done.stderr}"
    finally:
        for one in tmp_path.glob("*.pid"):  # what a page starts, it stops; unless a block before that failed
            with suppress(ProcessLookupError):
                os.kill(int(one.read_text()), signal.SIGTERM)


def test_the_readme_shows_what_the_first_example_prints(tmp_path):
    photographs(tmp_path)
    first = blocks(ROOT / "README.md")[0]
    accuracy, concepts = run(first, tmp_path).stdout.splitlines()
    assert float(accuracy) > 0.9
    assert re.fullmatch(r'\(ConceptScore\("ripe", 0\.\d\d\),\)|\(ConceptScore\("ripe", 1\.00\),\)', concepts)
    assert (tmp_path / "tomatoes.tflite").stat().st_size > 1_000_000


def test_the_first_thing_in_the_readme_is_python():
    assert blocks(ROOT / "README.md")[0].language == "python"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_names_its_language(page):
    assert all(block.language for block in blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_block_that_is_not_run_says_why(page):
    assert all(block.why_not != "" for block in blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_fence_is_closed_and_seen_as_a_block(page):
    fences = re.findall(r"^```", page.read_text(encoding="utf-8"), re.M)
    assert len(fences) == 2 * len(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_documents_lead_somewhere(page):
    broken = []
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target, _, heading = link["target"].partition("#")
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file = page.parent / target if target else page
        if not file.exists() or (heading and heading not in headings(file)):
            broken.append(link["target"])
    assert not broken


def headings(page: Path) -> set[str]:
    """Anchors as code hosts make them from headings."""
    found = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_a_page_names_exist(page):
    named = NAMED_FILE.findall(page.read_text(encoding="utf-8"))
    assert not [one for one in named if not (ROOT / one).exists()]


def test_scripts_that_blocks_call_exist():
    called = {one for page in PAGES for block in blocks(page) for one in re.findall(r"scripts/[\w-]+", block.code)}
    assert called
    assert not [one for one in called if not os.access(ROOT / one, os.X_OK)]


def test_every_document_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {link["target"] for link in LINK.finditer(index)}
    assert {page.name for page in DOCS} - {"README.md"} <= linked


def test_every_edge_command_that_a_page_names_exists():
    from edge.faces.cli.app import VERBS

    verbs = set(VERBS)
    named = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in blocks(page) if block.language == "sh" for line in block.code.splitlines()]
        commands = [line for line in lines if line.startswith("edge ")] + re.findall(r"`(edge [^`]+)`", text)
        for command in commands:
            words = re.sub(r"--store \S+|--(debug|json)", "", command).split()
            named |= {words[1]} if len(words) > 1 and words[1].isidentifier() else set()
    assert named - verbs == set()
