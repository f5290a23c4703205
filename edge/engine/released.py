"""Where the backbones of releases are: a folder of the store, looked into like any other with backbones."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from edge.config import Config

RELEASED = "releases/backbones"
"""In a store's folder."""


def with_released(config: Config, store: Path) -> Config:
    """The configuration with the folder that a store's released backbones are installed in."""
    folders = [*(config.backbones or "").split(os.pathsep), str(store.absolute() / RELEASED)]
    return replace(config, backbones=os.pathsep.join(dict.fromkeys(one for one in folders if one)))
