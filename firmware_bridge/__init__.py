"""The serial link to microcontrollers, host side. ``docs/serial-protocol.md`` is its contract.

from firmware_bridge import Bridge, Trigger

def happened(event):
    if isinstance(event, Trigger):
        bridge.answer(event.nonce, event.id, concept=0, score=0.97, known=0.9, is_known=True)

bridge = Bridge("/dev/ttyUSB0", happened, journal=Path("triggers.log"))
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# imported when used: a program that only wants the names loads no pyserial
_WHERE = {
    "Bridge": "firmware_bridge.bridge",
    "PortState": "firmware_bridge.bridge",
    "FakeBoard": "firmware_bridge.fake",
    "Journal": "firmware_bridge.journal",
    "Link": "firmware_bridge.link",
    "Up": "firmware_bridge.events",
    "Down": "firmware_bridge.events",
    "Heard": "firmware_bridge.events",
    "RoundTrip": "firmware_bridge.events",
    "PortUnavailable": "firmware_bridge.ports",
    "HostSession": "firmware_bridge.session",
    "Trigger": "firmware_bridge.session",
    "Answered": "firmware_bridge.session",
    "Image": "firmware_bridge.session",
}
__all__ = tuple(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'firmware_bridge' has no attribute {name!r}")
