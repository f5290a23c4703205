"""What this machine makes of pictures: ``look.py OUT.npz PICTURE...``, run here and in the emulated board.

Writes pixels (n, height, width, 3) uint8 as the network gets them, embeddings (n, d) int8 and their z (n, d); prints
one JSON document about the machine.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np

from edge.backbone.catalogue import open_backbone
from edge.config import DEFAULT_BACKBONE, Config
from edge.head.transform import transform
from edge.image import prepare


def main(out: str, *names: str) -> None:
    backbone = open_backbone(DEFAULT_BACKBONE, Config(delegate="none", threads=1, quiet=True))
    pixels = [prepare(Path(name), backbone.card.preprocessing) for name in names]
    embeddings = np.stack([backbone.embed(one) for one in pixels])
    z = transform(embeddings, backbone.card.embedding)
    np.savez(out, pixels=np.stack(pixels), embeddings=embeddings, z=z)
    # the interpreter's own list: with XNNPACK the network is one operator more, which does the others' work
    operators = [one["op_name"] for one in backbone._interpreter._get_ops_details()]
    facts = {
        "xnnpack": "DELEGATE" in operators,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "runtime": backbone.runtime,
        "minimum_cosine": backbone.card.facts["golden"]["minimum_cosine"],
    }
    json.dump(facts, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
