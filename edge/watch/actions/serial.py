"""``serial``: the answer to the board that asked."""

from __future__ import annotations

from edge.links.serial import Asking, SerialLink
from edge.watch.actions import QuietAction
from edge.watch.base import Event
from edge.watch.context import Context
from edge.watch.specs import Spec


class SerialAction(QuietAction):
    """Answers each trigger of a board with the best concept's index, its value and ``known``. A look that failed is an
    answer too, so that the board does not wait. ``serial:PORT`` also sends the names of concepts there."""

    name = "serial"

    def __init__(self, spec: Spec, context: Context) -> None:
        spec.only()
        self._context = context
        self._link: SerialLink | None = context.serial(spec.rest) if spec.rest else None

    def check(self) -> str:
        """Who is answered. Raises RemoteUnavailable: there is no such port, or it may not be used."""
        if self._link is None:
            return "answer the board that asks"
        self._link.check()
        return f"answer the board on {self._link.url}"

    def start(self) -> None:
        """Open the port, if one is named."""
        if self._link is not None:
            self._link.start()
            self._link.teach(self._context.loop, [name for _, name in self._context.names()])

    def act(self, event: Event) -> bool:
        """Answer, if a board waits. Its table of concepts is brought up to date before."""
        asking = event.fired.reply
        if not isinstance(asking, Asking):
            return False
        names = self._context.names()
        begin = asking.link.teach(self._context.loop, [name for _, name in names])
        found = event.prediction
        best = found.concepts[0] if found is not None and found.concepts else None
        ids = [id for id, _ in names]
        return asking.link.answer(
            asking,
            concept=begin + ids.index(best.id) if best is not None and best.id in ids else None,
            score=0.0 if best is None else best.value,
            known=0.0 if found is None else found.known,
            is_known=found is not None and found.is_known,
            failed=found is None,
        )
