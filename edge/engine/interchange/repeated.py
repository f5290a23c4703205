"""Pictures that a file names several times: rows that follow each other far apart must not contradict each other."""

from __future__ import annotations

import os

from edge.engine.interchange.base import Entry, Refused
from edge.errors import InvalidArgument

MOST = 1_000_000
"""Pictures of one import; a card holds fewer."""
_Key = tuple[str, str | None]


class Repeated:
    """Which pictures are named again; in the first round some 80 bytes each, in the second only those."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._again: set[int] = set()
        self._said: dict[_Key, dict[str, tuple[int, bool]]] = {}

    def count(self, one: Entry | Refused, number: int) -> None:
        """The first round: it is there. Raises InvalidArgument when there are too many."""
        if number > MOST:
            raise InvalidArgument(
                f"there are more than {MOST} pictures; split them and import one part after the other"
            )
        if isinstance(one, Entry):
            key = hash(_key(one))
            (self._again if key in self._seen else self._seen).add(key)

    def checked(self, one: Entry | Refused) -> Entry | Refused:
        """The second round: the entry itself, or why not, when an earlier one says the opposite.

        Two words with a time each are no contradiction: the later one counts.
        """
        if isinstance(one, Refused) or hash(_key(one)) not in self._again:
            return one
        said = self._said.setdefault(_key(one), {})
        for word in one.words:
            value, dated = said.get(word.concept, (word.value, True))
            if value != word.value and not (dated and word.at is not None):
                why = f"it is named several times, to show {word.concept!r} and not to show it; leave one of them"
                return Refused(os.fsencode(one.file).decode("utf-8", "replace"), why)
        said.update((word.concept, (word.value, word.at is not None)) for word in one.words)
        return one


def _key(one: Entry) -> _Key:
    return os.fspath(one.file), one.id
