"""Which devices a remote has, for those who read it through a web server that cannot list: a hint, unsigned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from edge.errors import InvalidArgument, NotFound, RemoteRefused
from edge.sync.book import MANIFESTS
from edge.sync.remotes.base import Object, checked
from edge.sync.transfer import Transfer

INDEX = f"{MANIFESTS}index"
_MOST = 1 << 20
_END = ".json"


def read(transfer: Transfer, key_of: Callable[[str], str]) -> list[str]:
    """Keys of the manifests there are. Raises RemoteRefused (no index, or a damaged one)."""
    shown = transfer.remote.shown
    try:
        return [checked(key_of(one)) for one in json.loads(transfer.get(INDEX, limit=_MOST))]
    except NotFound as error:
        raise RemoteRefused(f"{shown} has no {INDEX}; let a device push to where it is served from") from error
    except (ValueError, TypeError, InvalidArgument) as error:
        raise RemoteRefused(f"{INDEX} of {shown} is damaged; the next device that pushes there mends it") from error


def write(transfer: Transfer, there: Mapping[str, Object], more: Iterable[str]) -> None:
    """Replace the index, unless the one that is there is as long as it has to be with ``more`` manifests."""
    devices = sorted(key.removeprefix(MANIFESTS)[: -len(_END)] for key in {*there, *more} if key.endswith(_END))
    text = json.dumps(devices).encode()
    if INDEX not in there or there[INDEX].size != len(text):
        transfer.put(INDEX, text, "replace")
