"""A folder with labelled images, models and versions; survives kill -9 and power cuts."""

from edge.store.examples import LabelChange
from edge.store.given import NewInput
from edge.store.store import Store

__all__ = ["LabelChange", "NewInput", "Store"]
