"""What this device is called on its network: its host names, and the addresses of its interfaces."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

Address = IPv4Address | IPv6Address

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_IF_INET6 = Path("/proc/net/if_inet6")


def names() -> list[str]:
    """Names under which clients may look for this device: "localhost", its own, and its own under ``.local`` (mDNS)."""
    own = socket.gethostname().rstrip(".").lower()
    short = own.split(".")[0]
    found = ["localhost", own, short, f"{short}.local" if short else ""]
    return [one for one in dict.fromkeys(found) if one and is_name(one)]


def is_name(text: str) -> bool:
    """Whether ``text`` can stand in a certificate as a host name (RFC 1123: letters, digits, hyphens and dots)."""
    labels = text.split(".")
    return len(text) <= 253 and all(
        0 < len(label) <= 63 and label.isascii() and label.replace("-", "").isalnum() and label.strip("-") == label
        for label in labels
    )


def sorted_out(hosts: Iterable[str]) -> tuple[list[str], list[Address]]:
    """Host names and addresses apart, without what is neither, nor any that stands for "everywhere"."""
    names: list[str] = []
    found: list[Address] = []
    for one in hosts:
        try:
            address = ip_address(one.strip("[]"))
        except ValueError:
            names += [one.lower()] if is_name(one) else []
        else:
            found += [] if address.is_unspecified else [address]
    return names, found


def addresses() -> list[Address]:
    """Addresses that reach this device: loopback and those of its interfaces, without any that needs a zone."""
    found: list[Address] = [IPv4Address("127.0.0.1"), IPv6Address("::1"), *_version_4(), *_version_6()]
    return [one for one in dict.fromkeys(found) if isinstance(one, IPv4Address) or not one.is_link_local]


def _version_4() -> list[Address]:
    """The IPv4 address of each interface that has one, asked of the kernel: no name server, no route needed."""
    found: list[Address] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, interface in socket.if_nameindex():
            request = struct.pack("256s", interface.encode()[:15])
            try:
                answer = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
            except OSError:  # no address, or gone since
                continue
            found.append(IPv4Address(answer[20:24]))
    return found


def _version_6() -> list[Address]:
    try:
        lines = _IF_INET6.read_text(encoding="ascii").splitlines()
    except OSError:  # a kernel without IPv6
        return []
    return [ip_address(bytes.fromhex(line.split()[0])) for line in lines]
