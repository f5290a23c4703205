"""Pictures and what is said of them, in the files of other programs: out of the store, and into it."""

from __future__ import annotations

from edge.engine.interchange.exporting import Exported, export_data
from edge.engine.interchange.importing import Imported, import_data

__all__ = ["Exported", "Imported", "export_data", "import_data"]
