"""The service's description of itself, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """What can be asked under ``/v2``."""
    return {"openapi": "3.1.0", "info": {"title": "Edge Concepts", "version": "2"}, "paths": {}}
