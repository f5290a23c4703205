"""``firmware-bridge``: what there is at the other end of a serial line."""

from __future__ import annotations

import json
import queue
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from firmware_bridge.bridge import Bridge, BridgeEvent


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


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The serial link to microcontrollers."""


@main.command("ports")
@json_option
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


# --- a board ---------------------------------------------------------------------------------------------------------

port_argument = click.argument("port", metavar="PORT")
baud_option = click.option(
    "--baud", type=click.IntRange(300, 4_000_000), default=115_200, show_default=True, help="The board's speed."
)
wait_option = click.option("--wait", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True, help="Seconds.")


@contextmanager
def _bridge(port: str, baud: int) -> Iterator[tuple[Bridge, queue.Queue[BridgeEvent]]]:
    from firmware_bridge.bridge import Bridge

    events: queue.Queue[BridgeEvent] = queue.Queue()
    with Bridge(port, events.put, baud=baud, name="firmware-bridge") as bridge:
        yield bridge, events


def _found(bridge: Bridge, events: queue.Queue[BridgeEvent], seconds: float) -> None:
    """Wait for a board; exits with 5 when none answers."""
    from firmware_bridge.events import Up

    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            if isinstance(events.get(timeout=left), Up):
                return
        except queue.Empty:
            break
    state = bridge.state
    advice = "check that the board is flashed with the link, and --baud" if state == "waiting for the board" else ""
    click.echo(f"error: no board answers within {seconds:g} s: {state}{'; ' + advice if advice else ''}", err=True)
    sys.exit(5)


@main.command()
@port_argument
@baud_option
@wait_option
@click.option("--count", type=click.IntRange(1, 100_000), default=4, show_default=True, help="How often.")
@json_option
def ping(port: str, baud: int, wait: float, count: int, as_json: bool) -> None:
    """Ask a board whether it is there, and how long a round trip takes."""
    from firmware_bridge.events import RoundTrip

    times = []
    with _bridge(port, baud) as (bridge, events):
        _found(bridge, events, wait)
        if not as_json:
            click.echo(_plain(f"{bridge.peer or 'a board'} on {port}"))
        for _ in range(count):
            bridge.ping()
            until = time.monotonic() + wait
            while time.monotonic() < until:
                try:
                    event = events.get(timeout=max(0.001, until - time.monotonic()))
                except queue.Empty:
                    break
                if isinstance(event, RoundTrip):
                    times.append(1000 * event.seconds)
                    break
        peer, counts = bridge.peer, bridge.counts()
    if as_json:
        click.echo(json.dumps({"port": port, "board": peer, "milliseconds": times, "counts": counts}))
    elif times:
        click.echo(f"{len(times)} of {count} came back, {min(times):.0f} to {max(times):.0f} ms")
    if not times:
        click.echo("error: the board went silent; check its cable", err=True)
        sys.exit(5)


@main.command()
@port_argument
@baud_option
@click.option("--seconds", type=click.FloatRange(0), help="Stop after so long; default: until Ctrl-C.")
@click.option(
    "--answer", type=click.IntRange(0, 254), help="Answer every trigger with this concept, to try a board out."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def monitor(port: str, baud: int, seconds: float | None, answer: int | None, as_json: bool) -> None:
    """Show what a board says, as it says it."""
    from firmware_bridge.session import Trigger

    until = None if seconds is None else time.monotonic() + seconds
    with _bridge(port, baud) as (bridge, events):
        while until is None or time.monotonic() < until:
            try:
                event = events.get(timeout=0.2 if until is None else max(0.001, min(0.2, until - time.monotonic())))
            except queue.Empty:
                continue
            except KeyboardInterrupt:
                break
            if isinstance(event, Trigger) and answer is not None:
                bridge.answer(event.nonce, event.id, concept=answer, score=1.0, known=1.0, is_known=True)
            document = {"event": type(event).__name__, **_document(event)}
            if as_json:
                click.echo(json.dumps(document, default=str))
            else:
                facts = "  ".join(f"{name}={value}" for name, value in document.items() if name != "event")
                click.echo(_plain(f"{time.strftime('%H:%M:%S')}  {document['event']:12}  {facts}".rstrip()))


@main.command()
@port_argument
@click.argument("what", type=click.Choice(["concepts", "config"]))
@click.argument("values", nargs=-1, required=True)
@baud_option
@wait_option
@json_option
def send(port: str, what: str, values: tuple[str, ...], baud: int, wait: float, as_json: bool) -> None:
    """Send a board its table of names (concepts NAME...), or a number of its sketch (config KEY VALUE)."""
    if what == "config" and not (len(values) == 2 and all(one.isdecimal() for one in values)):
        raise click.UsageError("config takes a key from 0 to 255 and a value from 0 to 4294967295")
    with _bridge(port, baud) as (bridge, events):
        _found(bridge, events, wait)
        try:
            if what == "config":
                bridge.configure(int(values[0]), int(values[1]))
            else:
                bridge.set_concepts(values)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        if not bridge.drain(wait):
            click.echo(f"error: the board did not take it within {wait:g} s; check its cable", err=True)
            sys.exit(5)
        peer = bridge.peer
    click.echo(json.dumps({"port": port, "board": peer}) if as_json else _plain(f"{peer or 'the board'} has it"))


def _document(event: BridgeEvent) -> dict[str, Any]:
    from firmware_bridge.events import Heard
    from firmware_bridge.session import Image

    if isinstance(event, Heard):
        return {"message": event.message.name, **event.message.fields}
    if isinstance(event, Image):
        return {"number": event.number, "bytes": len(event.data)}
    return asdict(event)


def _plain(text: str) -> str:
    """Without what would move a terminal's cursor: it comes from whatever is plugged in."""
    return "".join(one if one.isprintable() else "?" for one in text)


if __name__ == "__main__":
    main(prog_name="firmware-bridge")
