"""The coordinator: one open store, its backbone and its models. Everything a face can ask for is here."""

from edge.engine.engine import Added, Engine
from edge.engine.model import Model, ModelVersion

__all__ = ["Added", "Engine", "Model", "ModelVersion"]
