"""A folder that a web server shows can be read from: without listing, without ranges, behind a password."""

import base64
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.engine.syncing import Syncing
from edge.errors import EdgeError, RemoteRefused
from edge.sync.remotes.base import PART
from edge.sync.remotes.catalogue import open_remote
from tests.integration.meetings import Device


class Handler(SimpleHTTPRequestHandler):
    password = ""

    def do_GET(self):
        wanted = "Basic " + base64.b64encode(f"ann:{self.password}".encode()).decode()
        if self.password and self.headers.get("Authorization") != wanted:
            self.send_error(401)
        elif self.path.endswith("/"):  # no listing
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path, monkeypatch):
    (tmp_path / "shown").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "shown")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(Handler, "password", "")
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def field(tmp_path, web):  # noqa: ARG001 the folder is there then
    device = Device(tmp_path / "field", str(tmp_path / "shown"))
    device.join()
    device.add(1, 2, red=1)
    device.sync()
    yield device
    device.close()


def test_a_device_reads_labels_and_pictures_from_a_web_server(tmp_path, web, field):
    home = Device(tmp_path / "home", f"http://{web}/")
    home.join()
    met = home.sync()
    assert met.pictures_fetched == 2
    assert home.labels() == field.labels()
    home.add(3, red=0)
    assert home.sync().segments_sent == 0  # it is read only
    home.close()


def test_a_web_server_that_nobody_pushed_to_is_said(tmp_path, web):
    home = Device(tmp_path / "home", f"http://{web}/")
    with pytest.raises(RemoteRefused, match="push"):
        home.join()
    home.close()


@pytest.mark.usefixtures("field")
def test_a_password_opens_and_is_never_shown(tmp_path, web, monkeypatch):
    monkeypatch.setattr(Handler, "password", "geheim")
    home = Device(tmp_path / "home", f"http://ann:geheim@{web}/")
    home.join()
    known = Syncing(home.engine, {}).remotes.registry.get("home")
    assert "geheim" not in known.shown
    assert home.sync().pictures_fetched == 2
    assert (home.path / "sync/remotes.json").stat().st_mode & 0o077 == 0
    monkeypatch.setattr(Handler, "password", "other")
    with pytest.raises(EdgeError) as caught:
        home.sync()
    assert "geheim" not in str(caught.value)
    assert caught.value.kind == "unavailable"
    home.close()


def test_a_part_is_read_of_a_server_that_gives_only_whole_objects(tmp_path, web):
    data = bytes(range(256)) * 8192
    (tmp_path / "shown/a").write_bytes(data)
    remote = open_remote(f"http://{web}/")
    assert remote.get("a", start=1000, limit=2000) == data[1000:3000]
    assert remote.get("a", start=PART, limit=PART) == data[PART:]
    assert remote.get("a", start=len(data), limit=10) == b""
    for use in (lambda: remote.put("b", b""), lambda: remote.delete("a"), lambda: remote.page("edge/")):
        with pytest.raises(RemoteRefused):
            use()
    remote.close()
