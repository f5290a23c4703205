"""Which inputs somebody wants to look at, as the condition of a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from edge.errors import InvalidArgument
from edge.store.concepts import FIND

State = Literal["any", "labelled", "shown", "not-shown", "unlabelled", "removed"]
STATES: tuple[str, ...] = get_args(State)
FOLDER = "rtrim(rtrim(source, replace(source, '/', '')), '/')"
"""Where a picture came from, less the file's name; '' where there is no folder in it."""
PLACE = f"CASE WHEN {FOLDER} = '' THEN source ELSE {FOLDER} END"


@dataclass(frozen=True, slots=True)
class Filter:
    """Inputs by what is said of them, where they came from and when; what is None does not matter.

    ``state`` is about ``concept``, or about any concept where none is named. ``source`` is one of ``Inputs.sources``;
    ``since`` is included, ``until`` is not.
    """

    concept: str | None = None
    state: State = "any"
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The condition and its values. Raises InvalidArgument for a state there is not."""
        if self.state not in STATES:
            raise InvalidArgument(f"there is no state {self.state!r}; choose one of {', '.join(STATES)}")
        parts, values = ["removed_at IS " + ("NOT NULL" if self.state == "removed" else "NULL")], []
        said, about = self._said()
        if said:
            parts.append(said)
            values += about
        if self.source is not None:
            parts.append(f"{PLACE} = ?")
            values.append(self.source)
        for sign, moment in ((">=", self.since), ("<", self.until)):
            if moment is not None:
                parts.append(f"added_at {sign} ?")
                values.append(moment.astimezone(UTC).isoformat(timespec="microseconds"))
        return " AND ".join(parts), values

    def _said(self) -> tuple[str, list[Any]]:
        inner, values = "SELECT 1 FROM annotations WHERE input = inputs.number", []
        if self.concept is not None:
            inner += f" AND concept = (SELECT number FROM ({FIND.replace('?1', '?')}))"
            values = [self.concept] * FIND.count("?1")
        if self.state in ("shown", "not-shown"):
            inner += f" AND value = {int(self.state == 'shown')}"
        if self.state == "unlabelled":
            return f"NOT EXISTS ({inner})", values
        if self.state in ("any", "removed") and self.concept is None:
            return "", []
        return f"EXISTS ({inner})", values
