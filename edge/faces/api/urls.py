"""Pictures by URL, fetched with guards."""

from __future__ import annotations

from edge.faces.api.options import Options
from edge.faces.api.statuses import BAD_URL, DOWNLOAD_FAILED, Refused

LONGEST = 2048


def check(url: str) -> None:
    """Refuse what cannot be the address of a picture. Raises Refused."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or len(url) > LONGEST or not url.isprintable() or " " in url:
        raise Refused(BAD_URL, f"{url[:80]!r} is no http or https address of a picture")


def fetch(url: str, options: Options) -> bytes:  # noqa: ARG001
    """The bytes at an address. Raises Refused."""
    check(url)
    raise Refused(DOWNLOAD_FAILED, "pictures by URL are not fetched yet")
