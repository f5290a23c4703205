"""Camera and broker URLs: taken apart strictly, and shown without their passwords."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from edge.errors import InvalidArgument

_SECRET = re.compile(r"(?i)(pass(word)?|pwd|token|secret|key|auth)")
# a password may hold / and ? that should have been escaped: what follows the colon is a port only if it is a number
_USERINFO = re.compile(
    r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<user>[^/?#\s@:]*)(:[^/?#\s]*|:(?!\d{1,5}(?:[/?#\s]|$))\S*)?@"
)
_WITH_PORTS = ("http", "https", "rtsp", "rtsps")
_QUERY = re.compile(r"(?P<name>[?&;][^=&#\s]*)=(?P<value>[^&#\s]*)")


def redacted(text: str) -> str:
    """A text with the passwords in its URLs taken out: ``rtsp://admin:***@10.0.0.7/1?token=***``."""
    text = _USERINFO.sub(lambda m: f"{m['scheme']}{m['user']}{':***' if m[3] else ''}@", text)
    return _QUERY.sub(lambda m: f"{m['name']}=***" if _SECRET.search(m["name"]) else m[0], text)


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """``options`` are the query; ``text`` is the whole, with its secrets."""

    text: str
    scheme: str
    host: str
    path: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return redacted(self.text)

    __repr__ = __str__

    def number(self, option: str, default: float, low: float, high: float) -> float:
        """An option as a number. Raises InvalidArgument."""
        text = self.options.get(option)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise InvalidArgument(f"{option}={text} of {self} is no number from {low:g} to {high:g}")
        return value

    def only(self, *known: str) -> None:
        """Raises InvalidArgument for an option that is not one of ``known``."""
        for name in self.options:
            if name not in known:
                has = ", ".join(known) or "none"
                raise InvalidArgument(f"{self.scheme} cameras have no option {name!r}; they have: {has}")


def parse(text: str) -> CameraUrl:
    """A camera's URL. A path without a scheme is a device, a folder or a file by its look. Raises InvalidArgument."""
    if len(text) > 2048 or any(ord(letter) < 32 for letter in text):
        raise InvalidArgument("a camera's URL is shorter than 2 048 characters and has no line breaks")
    if "://" not in text:
        scheme = "v4l2" if text.startswith("/dev/video") else "folder" if text.endswith("/") else "file"
        return CameraUrl(text, scheme, "", text, {})
    try:
        parts: SplitResult = urlsplit(text)
        host = parts.netloc
        if parts.scheme.lower() in _WITH_PORTS:
            _ = parts.port
    except ValueError:  # without its words, which may have a part of the password in them
        raise InvalidArgument(
            f"{redacted(text)} is no URL; in a user or password write %2F for /, %3A for :, %40 for @ and %3F for ?"
        ) from None
    path = unquote(parts.path)
    if parts.scheme in ("file", "folder") and host:  # file://clip.mp4 is what people write
        path, host = unquote(host) + path, ""
    return CameraUrl(text, parts.scheme.lower(), host, path, dict(parse_qsl(parts.query, keep_blank_values=True)))
