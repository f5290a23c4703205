"""The project's wheel, and the wheels of what it depends on as a board with a Debian release would get them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from needs import Release
from userland import call

_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def gather(project: Path, release: Release, folder: Path) -> Path:
    """Fill ``folder`` with the wheel of ``project`` and its dependencies for arm64; gives the project's.

    Downloaded here and not in there, because this machine's pip knows its package index; installing is done in there,
    from these files alone, so a dependency that is missing or for another processor is found out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    call([*_PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(project)])
    wheel = next(folder.glob("*.whl"))
    command = [*_PIP, "download", "--only-binary=:all:", "--python-version", release.python, "--dest", str(folder)]
    for tag in ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, release.glibc + 1)), "linux"):
        command += ["--platform", f"{tag}_aarch64"]
    call([*command, str(wheel)])
    return wheel


def compiled(folder: Path) -> list[str]:
    """Names and versions of the wheels that hold machine code: "numpy 2.4.6"."""
    names = [path.name.split("-") for path in sorted(folder.glob("*_aarch64.whl"))]
    return [f"{name[0].replace('_', '-')} {name[1]}" for name in names]
