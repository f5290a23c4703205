"""firmware-bridge ports."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from firmware_bridge.cli import main

USB = SimpleNamespace(
    device="/dev/ttyACM0", description="Pico - Board CDC", vid=0x2E8A, pid=0x5, serial_number="E660\x1b[2J",
    manufacturer="Raspberry Pi", product="Pico",
)  # fmt: skip
PLAIN = SimpleNamespace(
    device="/dev/ttyAMA0", description="n/a", vid=None, pid=None, serial_number=None, manufacturer=None, product=None
)


@pytest.fixture
def ports(monkeypatch):
    """``ports(listed, "--json")``: the result where these ports are there."""

    def run(listed, *options):
        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
        return CliRunner().invoke(main, ["ports", *options])

    return run


def test_ports_have_their_usb_ids_and_serial_number(ports):
    done = ports([PLAIN, USB], "--json")
    assert done.exit_code == 0
    first, second = json.loads(done.stdout)["ports"]
    assert first == {
        "device": "/dev/ttyACM0", "description": "Pico - Board CDC", "vendor_id": "2e8a", "product_id": "0005",
        "serial_number": "E660\x1b[2J", "manufacturer": "Raspberry Pi", "product": "Pico",
    }  # fmt: skip
    assert second["device"] == "/dev/ttyAMA0"
    assert {value for key, value in second.items() if key != "device"} == {None}


def test_people_see_a_line_for_each_port(ports):
    lines = ports([PLAIN, USB]).stdout.splitlines()
    assert lines[0].split()[:2] == ["/dev/ttyACM0", "2e8a:0005"]
    assert lines[1].split() == ["/dev/ttyAMA0", "-", "-"]


def test_what_a_device_calls_itself_cannot_command_the_terminal(ports):
    assert "\x1b" not in ports([USB]).stdout


def test_without_ports_it_says_what_to_try(ports):
    done = ports([])
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "cable" in done.stderr
    assert json.loads(ports([], "--json").stdout) == {"ports": []}
