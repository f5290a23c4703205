"""A remote as TUF's client wants to see it. Loads ``tuf``: only imported where a release is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from edge.errors import NotFound


class RemoteFetcher(FetcherInterface):
    """Fetches ``remote:/path`` with ``fetch(path)``; an object that is not there is HTTP's 404, as TUF's walk to the
    newest root expects."""

    def __init__(self, fetch: Callable[[str], Iterable[bytes]]) -> None:
        self._get = fetch

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            pieces = iter(self._get(url.removeprefix("remote:/")))
            first = next(pieces, b"")
        except NotFound as error:
            raise DownloadHTTPError(str(error), 404) from error
        return chain([first], pieces)
