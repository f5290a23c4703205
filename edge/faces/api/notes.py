"""What clients say about models and the engine has no place for: display names, metadata, notes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge.faces.api.database import ServiceDatabase


class Notes:
    """A small object of texts per model."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database

    def of(self, model: str) -> Mapping[str, Any]:
        """What was said about a model, empty if nothing."""
        row = self._database.row("SELECT text FROM notes WHERE model = ?", (model,))
        return {} if row is None else dict(json.loads(row[0]))

    def put(self, model: str, said: Mapping[str, Any]) -> None:
        """Keep what is said, replacing what was."""
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (model, json.dumps(dict(said))))

    def forget(self, model: str) -> None:
        """The model is gone."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM notes WHERE model = ?", (model,))
