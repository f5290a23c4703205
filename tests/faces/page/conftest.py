"""The page and its endpoints on a store with the fake backbone: asked in this process, or by a real browser."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from starlette.testclient import TestClient

from edge.faces.api.core import Core
from edge.faces.api.keys import Keys
from edge.faces.api.options import Options
from edge.faces.api.rest import application

CHROMIUM = "/usr/bin/chromium"
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])


@pytest.fixture
def options():
    """The service's options; a test that needs others has a fixture of its own."""
    return Options()


@pytest.fixture
def keys(engine):
    """The store's keys, none at first."""
    made = Keys(engine.store.path)
    yield made
    made.close()


@pytest.fixture
def core(engine, options):
    """What the service's faces share."""
    made = Core(engine, options)
    yield made
    made.close()


@pytest.fixture
def app(core, keys, options):
    """The service as one ASGI application."""
    return application(core, keys, options)


@pytest.fixture
def client(app):
    """An HTTP client on this very machine."""
    return TestClient(app, "http://127.0.0.1:8080", client=("127.0.0.1", 50000), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def jpeg(blob):
    """``jpeg("red", 3)``: a blob as JPEG."""

    def make(colour, seed=0):
        out = io.BytesIO()
        Image.fromarray(blob(colour, seed)).save(out, "JPEG", quality=90)
        return out.getvalue()

    return make


@pytest.fixture
def send(client, jpeg):
    """``send("red", 3, show="red")``: adds a picture as the page does; its record."""

    def run(colour, seed=0, **parameters):
        headers = {"content-type": "image/jpeg"}
        answer = client.post("/local/inputs", content=jpeg(colour, seed), params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["input"]

    return run


# --- a real browser --------------------------------------------------------------------------------------------------


@pytest.fixture
def address(app):
    """Where the service listens, in a thread of this process."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def red_camera(tmp_path_factory, blob):
    """A film of a red thing, as Chromium's fake camera plays it: two frames of planar YCbCr."""
    planes = Image.fromarray(blob("red", 40)).resize((320, 240)).convert("YCbCr").split()
    frame = b"".join(one.resize((320 >> (at > 0), 240 >> (at > 0))).tobytes() for at, one in enumerate(planes))
    path = tmp_path_factory.mktemp("camera") / "red.y4m"
    path.write_bytes(b"YUV4MPEG2 W320 H240 F15:1 Ip A1:1 C420jpeg\n" + 2 * (b"FRAME\n" + frame))
    return path


@pytest.fixture(scope="session")
def chromium(red_camera):
    """Debian's Chromium with a fake camera that shows something red."""
    from playwright.sync_api import sync_playwright

    if not Path(CHROMIUM).exists() and "CI" not in os.environ:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={red_camera}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """``visit("teach", **PHONE)``: the page in a new window, watched: when the test ends it must have asked nobody but
    the device, and nothing may have gone wrong in a script."""
    opened, wrong = [], []

    def run(view="teach", *, expect=(), **size):
        context = chromium.new_context(**(size or DESKTOP))
        context.set_default_timeout(15_000)
        opened.append(context)
        page = context.new_page()
        host = urlsplit(address).netloc

        def asked(request):
            url = urlsplit(request.url)
            if url.scheme not in ("blob", "data") and url.netloc != host:
                wrong.append(f"asked {request.url}")

        def said(message):
            if message.type == "error" and not any(one in message.text for one in expect):
                wrong.append(message.text)

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{address}/#{view}")
        page.wait_for_selector("main h1")
        return page

    yield run
    for context in opened:
        context.close()
    assert wrong == []


@pytest.fixture
def files(tmp_path, jpeg):
    """``files("red", range(5))``: paths of pictures to be chosen or dropped."""

    def make(colour, seeds):
        paths = []
        for seed in seeds:
            paths.append(tmp_path / f"{colour}-{seed}.jpg")
            paths[-1].write_bytes(jpeg(colour, seed))
        return paths

    return make


def open_view(page, name):
    from playwright.sync_api import expect

    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def fits(page):
    """Whether nothing of the page lies beyond the right edge of the screen."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture
def colours(engine, blob):
    """A trained model of two concepts, with one picture annotated wrongly and one not at all."""
    for colour in ("red", "green"):
        engine.add([blob(colour, seed) for seed in range(6)], concepts=[colour])
    wrong = engine.add(blob("red", 30), concepts=["green"]).inputs[0]
    engine.add(blob("red", 31))
    engine.create_model("colours", ["red", "green"], mutually_exclusive=True).train().wait()
    return wrong.id
