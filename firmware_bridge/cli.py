"""``firmware-bridge``: what there is at the other end of a serial line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port. ``vendor_id`` and ``product_id`` are USB ids of four hexadecimal digits, None for other ports."""

    device: str
    description: str | None
    vendor_id: str | None
    product_id: str | None
    serial_number: str | None
    manufacturer: str | None
    product: str | None


def ports(listed: Iterable[Any]) -> list[Port]:
    """Ports from what ``serial.tools.list_ports.comports`` gives, by device name."""
    found = [
        Port(
            device=one.device,
            description=None if one.description in (None, "n/a") else one.description,
            vendor_id=None if one.vid is None else f"{one.vid:04x}",
            product_id=None if one.pid is None else f"{one.pid:04x}",
            serial_number=one.serial_number,
            manufacturer=one.manufacturer,
            product=one.product,
        )
        for one in listed
    ]
    return sorted(found, key=lambda port: port.device)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The serial link to microcontrollers."""


@main.command("ports")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def show_ports(as_json: bool) -> None:
    """List serial ports, with the USB ids of what is plugged in."""
    from serial.tools.list_ports import comports

    found = ports(comports())
    if as_json:
        click.echo(json.dumps({"ports": [asdict(port) for port in found]}))
        return
    if not found:
        click.echo("no serial ports; plug the board in, and use a cable that carries data", err=True)
    for port in found:
        click.echo(_line(port))


def _line(port: Port) -> str:
    ids = "-" if port.vendor_id is None else f"{port.vendor_id}:{port.product_id}"
    words = port.product or port.description or ""
    text = f"{port.device:20}  {ids:9}  {port.serial_number or '-':20}  {words}".rstrip()
    # these strings come from whatever is plugged in
    return "".join(one if one.isprintable() else "?" for one in text)


if __name__ == "__main__":
    main(prog_name="firmware-bridge")
