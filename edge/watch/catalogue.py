"""Triggers and actions by name. A new one is a file and a line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edge.errors import InvalidArgument
from edge.watch.specs import Spec

TRIGGERS = {
    "interval": "edge.watch.triggers:Interval",
    "each": "edge.watch.triggers:Each",
    "motion": "edge.watch.triggers:Motion",
    "api": "edge.watch.triggers:Asked",
    "gpio": "edge.watch.triggers:Gpio",
}
LINKED_TRIGGERS = ("serial", "mqtt")
"""Triggers that come over a link which actions use too; the runner makes them."""

ACTIONS = {
    "log": "edge.watch.actions.log:LogAction",
    "store": "edge.watch.actions.store:StoreAction",
    "exec": "edge.watch.actions.run:ExecAction",
    "webhook": "edge.watch.actions.webhook:WebhookAction",
    "gpio": "edge.watch.actions.gpio:GpioAction",
    "mqtt": "edge.watch.actions.mqtt:MqttAction",
    "serial": "edge.watch.actions.serial:SerialAction",
}


def made(table: dict[str, str], spec: Spec, what: str, *arguments: Any, also: tuple[str, ...] = ()) -> Any:
    """What a spec names. Raises InvalidArgument for a name there is not."""
    if spec.name not in table:
        names = ", ".join(sorted({*table, *also}))
        raise InvalidArgument(f"there is no {what} {spec.name!r}; there are: {names}")
    module, _, attribute = table[spec.name].partition(":")
    return getattr(import_module(module), attribute)(spec, *arguments)
