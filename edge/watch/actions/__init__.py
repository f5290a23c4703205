"""What is done about events, by the specs of ``--then`` and ``watch.toml``:

=============================== ====================================================================
``log``, ``log:FILE``           a JSON line per event (``?always=0``: only when something changes)
``store:changed``               keep captures: all, changed or uncertain; ``?count=&bytes=&age=`` bound them
``serial``                      the answer to the board that asked
``mqtt``, ``mqtt://HOST``       state topics and Home Assistant discovery
``webhook:URL``                 JSON by POST, queued on disk
``exec:COMMAND ARGUMENT...``    an argument list, never a shell
``gpio:PIN``                    high while a concept is seen; ``?concept=&pulse=``
=============================== ====================================================================

``exec`` and ``webhook`` take the rest of the spec as it is: a ``?`` in it is theirs.
"""

from __future__ import annotations

from edge.watch.base import Event


class QuietAction:
    """What most actions have in common."""

    def start(self) -> None:
        """Nothing to prepare."""

    def close(self, seconds: float) -> None:
        """Nothing is queued."""


def worth_saying(event: Event) -> bool:
    """Whether something changed, or somebody waits for an answer."""
    return bool(event.changed) or event.fired.reply is not None
