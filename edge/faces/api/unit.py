"""The systemd unit: what is written, installed and taken away."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import HardwareMissing, InvalidArgument, NotFound
from edge.store.files import write_durably

NAME = "edge-concepts"
PLACE = Path("/etc/systemd/system") / f"{NAME}.service"

_UNIT = """[Unit]
Description=Edge Concepts: image concepts, taught and recognised on this device
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User={user}
ExecStart={command}
Restart=on-failure
RestartSec=5
TimeoutStopSec=120
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={store}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictSUIDSGID=yes
LockPersonality=yes
PrivateTmp=yes
{ports}
[Install]
WantedBy=multi-user.target
"""
_PATHS = ("--tls-cert", "--tls-key", "--tls-folder", "--watch")
_ALIAS = "--url-alias"
_PORTS = "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"


def unit(store: Path, options: Sequence[str], user: str | None = None) -> str:
    """The unit's text for ``edge --store STORE serve OPTIONS`` as ``user``. Raises InvalidArgument.

    Files in the options are those that are called so from here; the unit starts elsewhere.
    """
    options = _absolute(options)
    name = user or os.environ.get("SUDO_USER") or getpass.getuser()
    for one in (str(store), name, *options):
        if not one.isprintable():
            raise InvalidArgument(f"{one!r} cannot stand in a systemd unit; rename it")
    # -P: a file in the working folder must not shadow a module
    words = [sys.executable, "-P", "-m", "edge.faces.cli", "--store", str(store), "serve", *options]
    low = any(one.isdigit() and 0 < int(one) < 1024 for one in _values(options))
    return _UNIT.format(
        user=_quoted(name, command=False),
        command=" ".join(map(_quoted, words)),
        store=" ".join(_quoted(one, command=False) for one in (str(store), *_folders(options))),
        ports=_PORTS if low else "CapabilityBoundingSet=\n",
    )


def _absolute(options: Sequence[str]) -> list[str]:
    """The same options with whole paths, "--name value" as "--name=value"."""
    found: list[str] = []
    given = iter(options)
    for one in given:
        name, sign, value = one.partition("=")
        if name not in (*_PATHS, _ALIAS):
            found.append(one)
            continue
        value = value if sign else next(given, "")
        url, equals, path = value.rpartition("=") if name == _ALIAS else ("", "", value)
        found.append(f"{name}={url}{equals}{Path(path).absolute()}")
    return found


def _folders(options: Sequence[str]) -> list[str]:
    """Folders besides the store that the service writes to; systemd starts nothing while one of them is missing."""
    return [f"-{one.partition('=')[2]}" for one in options if one.startswith("--tls-folder=")]


def _values(options: Sequence[str]) -> list[str]:
    return [one.rpartition("=")[2] for one in options]


def _quoted(word: str, *, command: bool = True) -> str:
    """A word as systemd reads it (systemd.syntax(7), systemd.service(5)): quotes, % doubled, in commands $ too."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    text = text.replace("$", "$$") if command else text
    return f'"{text}"' if text != word or " " in word or not word else text


def install(text: str, place: Path = PLACE) -> Path:
    """Write the unit, start it, and start it at every boot. Raises InvalidArgument, HardwareMissing."""
    try:
        write_durably(place, text.encode(), 0o644)
    except OSError as error:
        raise InvalidArgument(
            f"{place} cannot be written ({error.strerror}); run it as root: sudo edge service install"
        ) from error
    _systemctl("daemon-reload")
    _systemctl("enable", NAME)
    _systemctl("restart", NAME)
    return place


def uninstall(place: Path = PLACE) -> Path:
    """Stop it and remove the unit. Raises NotFound, InvalidArgument, HardwareMissing."""
    if not place.exists():
        raise NotFound(f"there is no {place}; nothing is installed")
    if not os.access(place.parent, os.W_OK):
        raise InvalidArgument(f"{place} cannot be removed by you; run it as root: sudo edge service uninstall")
    _systemctl("disable", "--now", NAME)
    place.unlink()
    _systemctl("daemon-reload")
    return place


def _systemctl(*arguments: str) -> None:
    try:
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise HardwareMissing(f"systemctl cannot be run ({error.strerror}); this system has no systemd") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise HardwareMissing(
            f"systemctl {' '.join(arguments)} failed ({reason[-1] if reason else done.returncode}); "
            f"see: journalctl -u {NAME}"
        )
