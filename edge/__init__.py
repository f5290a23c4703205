"""Teach a small board image concepts from ten photographs, offline.

``from edge import Engine`` is the whole entrance. Importing this package loads neither numpy nor a runtime;
they come with the first thing that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge.errors import EdgeError
from edge.types import (
    Annotation,
    Concept,
    ConceptScore,
    Evaluation,
    Input,
    Prediction,
    VersionStatus,
)

if TYPE_CHECKING:
    from edge.engine import Engine, Model, ModelVersion

__version__ = "0.1.0"

__all__ = [
    "Annotation",
    "Concept",
    "ConceptScore",
    "EdgeError",
    "Engine",
    "Evaluation",
    "Input",
    "Model",
    "ModelVersion",
    "Prediction",
    "VersionStatus",
    "__version__",
]

_LAZY = {"Engine": "edge.engine", "Model": "edge.engine", "ModelVersion": "edge.engine"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
