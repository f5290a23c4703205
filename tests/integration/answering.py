"""A host that answers triggers until it is killed: ``python answering.py PORT JOURNAL``."""

import sys
import threading
from pathlib import Path

from firmware_bridge import Bridge, Trigger
from tests.serial_line import answer_to


def main(port, journal):
    def happened(event):
        if isinstance(event, Trigger):
            concept = answer_to(event.nonce, event.id)
            bridge.answer(event.nonce, event.id, concept=concept, score=0.5, is_known=True)

    ready = threading.Event()
    bridge = Bridge(port, lambda event: (ready.wait(), happened(event)), journal=Path(journal))
    ready.set()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
