"""One request on its way through the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.faces.api.keys import Caller

if TYPE_CHECKING:
    from edge.engine import Engine
    from edge.faces.api.core import Core


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the request's dict, who asks, and the ids to echo."""

    core: Core
    request: Mapping[str, Any]
    caller: Caller
    user_id: str
    app_id: str

    @property
    def engine(self) -> Engine:
        return self.core.engine
