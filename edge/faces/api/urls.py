"""Pictures by URL, fetched with guards.

An address is resolved once, checked, and connected to as it was checked; every redirect is checked again. Neither this
device nor its network can be reached through it unless the configuration allows that.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from edge.faces.api.options import Options
from edge.faces.api.statuses import BAD_URL, DOWNLOAD_FAILED, OVER_LIMIT, Refused

LONGEST = 2048
_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_MAYBE_LATER = (408, 425, 429)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Passing(Refused):
    """A failure that may be gone in a moment: no network, a busy server."""


def check(url: str) -> SplitResult:
    """The parts of what can be the address of a picture. Raises Refused."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        good = good and "@" not in parts.netloc and "\\" not in url
    except ValueError:
        good = False
    if not good or len(url) > LONGEST or not url.isprintable() or " " in url:
        raise Refused(BAD_URL, f"{url[:80]!r} is no http or https address of a picture, without a password")
    return parts


def fetch(url: str, options: Options) -> bytes:
    """The bytes at an address. Raises Refused, as ``Passing`` when another try may help."""
    check(url)
    local = _alias(url, options)
    if local is not None:
        return _read(local, options)
    until = time.monotonic() + options.fetch_seconds
    for _ in range(options.max_redirects + 1):
        parts = check(url)
        with _answer(parts, options, until) as response:
            if response.status not in _REDIRECTS:
                return _body(response, options, until)
            url = urljoin(url, response.getheader("Location") or "")
    raise Refused(DOWNLOAD_FAILED, f"the address redirects more than {options.max_redirects} times")


# --- folders that stand for addresses --------------------------------------------------------------------------------


def _alias(url: str, options: Options) -> Path | None:
    """The file that stands for an address, None without an alias for it. Raises Refused."""
    prefix = max((one for one in options.aliases if url.startswith(one)), key=len, default=None)
    if prefix is None:
        return None
    folder = options.aliases[prefix].resolve()
    rest = unquote(urlsplit(url[len(prefix) :]).path, errors="replace").lstrip("/")
    try:
        path = (folder / rest).resolve()
        inside = path.is_relative_to(folder) and path.is_file()
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise Refused(DOWNLOAD_FAILED, f"the folder that stands for {prefix} has no such file")
    return path


def _read(path: Path, options: Options) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(options.max_image + 1)
    except OSError as error:
        raise Refused(DOWNLOAD_FAILED, f"the file cannot be read ({error.strerror})") from error
    if len(data) > options.max_image:
        raise _too_large(options)
    return data


# --- the network -----------------------------------------------------------------------------------------------------


@contextmanager
def _answer(parts: SplitResult, options: Options, until: float) -> Iterator[http.client.HTTPResponse]:
    connection = _Connection(parts, options, until)
    # a server that sends a byte now and then never runs into a socket's timeout
    watch = threading.Timer(max(0.0, until - time.monotonic()), connection.abort)
    watch.daemon = True
    watch.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "edge-concepts"}
        connection.request("GET", path.encode("utf-8", "replace").decode("latin-1"), headers=headers)
        yield connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = " in time" if time.monotonic() >= until else ""
        reason = str(error)[:100] or type(error).__name__
        raise Passing(DOWNLOAD_FAILED, f"{parts.hostname} gave no answer{late} ({reason})") from error
    finally:
        watch.cancel()
        connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to a checked address, whatever the host's name means to others a moment later."""

    def __init__(self, parts: SplitResult, options: Options, until: float) -> None:
        secure = parts.scheme == "https"
        super().__init__(_ascii(parts), parts.port or (443 if secure else 80), timeout=options.fetch_seconds)
        if parts.port is None and secure:
            self.default_port = 443  # or the Host header would name it
        self._secure, self._options, self._until = secure, options, until

    def connect(self) -> None:
        """Resolve, check, connect."""
        address = resolve(self.host, self.port, self._options)
        left = max(0.1, self._until - time.monotonic())
        self.sock = socket.create_connection((str(address), self.port), timeout=left)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def abort(self) -> None:
        """Stop whatever waits for it."""
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _ascii(parts: SplitResult) -> str:
    """A host's name as DNS and HTTP have it. Raises Refused."""
    name = parts.hostname or ""
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError as error:
        raise Refused(BAD_URL, f"{name[:80]!r} is no host name") from error


def resolve(host: str, port: int, options: Options) -> Address:
    """The address to connect to. Raises Refused when it is one that must not be reached, or there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Passing(DOWNLOAD_FAILED, f"{host[:80]} has no address ({error})") from error
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    for address in addresses:
        if not allowed(address, private=options.allow_private_urls):
            raise Refused(
                DOWNLOAD_FAILED,
                f"{host[:80]} is on this device or its network; allow_private_urls in service.toml permits that",
            )
    return addresses[0]


def allowed(address: Address, *, private: bool) -> bool:
    """Whether pictures may come from an address; ``private``: from this device and its network too."""
    inner = _inside(address)
    if inner is not None:
        return allowed(inner, private=private)
    if address.is_multicast or address.is_unspecified:
        return False
    return private or address.is_global


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address only wraps, or None."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def _body(response: http.client.HTTPResponse, options: Options, until: float) -> bytes:
    if response.status != 200:
        kind = Passing if response.status >= 500 or response.status in _MAYBE_LATER else Refused
        raise kind(DOWNLOAD_FAILED, f"the address answered {response.status}")
    if (response.length or 0) > options.max_image:
        raise _too_large(options)
    parts, size = [], 0
    while part := response.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > options.max_image:
            raise _too_large(options)
    if time.monotonic() >= until:  # or it was cut off, which may look like an end
        raise Passing(DOWNLOAD_FAILED, "the address was too slow")
    if response.length:
        raise Passing(DOWNLOAD_FAILED, "the picture ended too early")
    return b"".join(parts)


def _too_large(options: Options) -> Refused:
    return Refused(OVER_LIMIT, f"the picture is larger than {options.max_image >> 20} MiB; give a smaller one")
