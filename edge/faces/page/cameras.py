"""What the page asks about this device's own cameras."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from starlette.responses import Response

from edge.errors import CameraUnavailable, NotFound
from edge.faces.page.asked import Asked

_WAIT = 5.0


def states(asked: Asked) -> dict[str, Any]:
    """The cameras and how they are."""
    return {"cameras": [{"name": name, "state": state} for name, state in asked.core.cameras.states().items()]}


def picture(asked: Asked) -> Response:
    """A camera's newest picture, newer than number ``after``; its number is in ``X-Picture``."""
    camera = asked.core.cameras.camera(asked.path["camera"])
    after = asked.number("after", 0, 99_999_999)
    # a loop has its pictures to itself; where there is none, the page goes through them
    capture = camera.look(_WAIT, after=after) if camera.watched else camera.newest(after, _WAIT)
    if capture is None:
        raise CameraUnavailable(f"the camera gives no picture: {camera.state}")
    return Response(_jpeg(capture.picture), media_type="image/jpeg", headers=_headers(capture.number))


def ask(asked: Asked) -> dict[str, Any]:
    """Have a camera loop look now."""
    if asked.core.watch is None:
        raise NotFound("no camera loops run here; start the service with --watch watch.toml")
    asked.core.watch.ask(asked.path["loop"])
    return {}


def loops(asked: Asked) -> dict[str, Any]:
    """What the camera loops did and see."""
    return {"loops": {} if asked.core.watch is None else asked.core.watch.document()}


def _headers(number: int) -> dict[str, str]:
    return {"X-Picture": str(number), "Cache-Control": "no-store"}


def _jpeg(found: Any) -> bytes:
    if isinstance(found, bytes):
        return found
    out = io.BytesIO()
    Image.fromarray(found).save(out, "JPEG", quality=90)
    return out.getvalue()
