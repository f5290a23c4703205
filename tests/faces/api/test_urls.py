"""Pictures by URL: guards, limits, redirects, folders that stand for addresses."""

import ipaddress
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.faces.api import urls
from edge.faces.api.options import Options
from edge.faces.api.statuses import BAD_URL, DOWNLOAD_FAILED, OVER_LIMIT, Refused

NEAR = Options(allow_private_urls=True, max_image=1000, fetch_seconds=0.5, max_redirects=2)


@pytest.fixture
def web():
    """``web(path=answer)``: an address on this machine; an answer is (status, headers, body) or a function."""
    servers = []

    def serve(answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                answer = answers[self.path]
                if callable(answer):
                    answer(self)
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(url, options=NEAR):
    with pytest.raises(Refused) as found:
        urls.fetch(url, options)
    return found.value


def test_the_bytes_at_an_address_are_fetched(web):
    base = web({"/a%20b.png?x=1": (200, {}, b"picture")})
    assert urls.fetch(f"{base}/a%20b.png?x=1", NEAR) == b"picture"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "http://",
        "http:///a",
        "http://user:secret@example.com/a",
        "http://[::1/a",
        "http://example.com:99999/a",
        "http://example.com/a b",
        "http://example.com/\r\nX: y",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/" + "a" * 3000,
        "javascript:alert(1)",
        "",
    ],
)
def test_what_is_no_address_of_a_picture_is_refused(url):
    assert refused(url).code == BAD_URL


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
    ],
)
def test_this_device_and_its_network_are_not_reached(address):
    assert not urls.allowed(ipaddress.ip_address(address), private=False)


def test_public_addresses_are_reached_and_private_ones_where_that_is_allowed():
    assert urls.allowed(ipaddress.ip_address("93.184.215.14"), private=False)
    assert urls.allowed(ipaddress.ip_address("2606:4700::1111"), private=False)
    assert urls.allowed(ipaddress.ip_address("192.168.1.1"), private=True)
    assert not urls.allowed(ipaddress.ip_address("224.0.0.1"), private=True)


def test_a_name_that_means_this_device_is_refused_before_anything_is_sent(web):
    asked = []
    base = web({"/": lambda _: asked.append(1)})
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1"):
        url = base.replace("127.0.0.1", host) + "/"
        assert refused(url, Options(fetch_seconds=0.5)).code == DOWNLOAD_FAILED
    assert asked == []


def test_the_address_that_was_checked_is_the_one_connected_to(web, monkeypatch):
    """A name that means another address when it is asked again (DNS rebinding) gains nothing."""
    base = web({"/": (200, {}, b"x")})
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    connected = []

    def looked_up(_, port, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    def connect(address, **_):
        connected.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(urls.socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(urls.socket, "create_connection", connect)
    refused(base.replace("127.0.0.1", "rebind.example") + "/", Options(fetch_seconds=0.5))
    assert [host for host, _ in connected] == ["93.184.215.14"]


def test_one_forbidden_address_among_several_is_enough(monkeypatch):
    both = [(0, 0, 0, "", ("93.184.215.14", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(urls.socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(Refused):
        urls.resolve("mixed.example", 80, Options())


def test_redirects_are_followed_checked_and_counted(web):
    base = web(
        {
            "/there": (302, {"Location": "/picture"}, b""),
            "/picture": (200, {}, b"picture"),
            "/loop": (301, {"Location": "/loop"}, b""),
            "/file": (302, {"Location": "file:///etc/passwd"}, b""),
            "/nowhere": (302, {}, b""),
        }
    )
    assert urls.fetch(f"{base}/there", NEAR) == b"picture"
    assert "redirects" in refused(f"{base}/loop").details
    assert refused(f"{base}/file").code == BAD_URL
    assert refused(f"{base}/nowhere").code == DOWNLOAD_FAILED


def test_a_redirect_to_this_device_is_refused(web, monkeypatch):
    """The first address is allowed, the one it leads to is not."""
    base = web({"/": (302, {"Location": "http://localhost/secret"}, b"")})
    real = urls.allowed
    seen = []

    def first_only(address, *, private):
        seen.append(str(address))
        return True if len(seen) == 1 else real(address, private=private)

    monkeypatch.setattr(urls, "allowed", first_only)
    assert "on this device" in refused(base + "/", Options(fetch_seconds=0.5)).details
    assert len(seen) == 2


def test_a_picture_over_the_cap_is_refused_with_and_without_a_length(web):
    base = web(
        {"/told": (200, {"Content-Length": "5000"}, b"x" * 5000), "/untold": (200, {}, b"x" * 5000)},
    )
    assert refused(f"{base}/told").code == OVER_LIMIT
    assert refused(f"{base}/untold").code == OVER_LIMIT


def test_failures_are_told_apart_by_whether_another_try_may_help(web):
    base = web({"/gone": (404, {}, b""), "/busy": (503, {}, b""), "/short": (200, {"Content-Length": "9"}, b"x")})
    assert not isinstance(refused(f"{base}/gone"), urls.Passing)
    assert isinstance(refused(f"{base}/busy"), urls.Passing)
    assert isinstance(refused(f"{base}/short"), urls.Passing)
    assert isinstance(refused("http://127.0.0.1:9/"), urls.Passing)


def test_a_server_that_drips_is_left_after_the_time_limit(web):
    stop = threading.Event()

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            try:
                handler.wfile.write(b"X: y\r\n")
                handler.wfile.flush()
            except OSError:
                return

    base = web({"/": drip})
    try:
        assert isinstance(refused(base + "/"), urls.Passing)
    finally:
        stop.set()


def test_a_folder_stands_for_the_beginning_of_an_address(tmp_path):
    (tmp_path / "samples" / "deep").mkdir(parents=True)
    (tmp_path / "samples" / "deep" / "a b.jpg").write_bytes(b"picture")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "samples" / "link").symlink_to(tmp_path / "secret")
    options = Options(aliases={"https://samples.example/": tmp_path / "samples"}, max_image=1000)
    assert urls.fetch("https://samples.example/deep/a%20b.jpg?size=1", options) == b"picture"
    for path in ("../secret", "%2e%2e/secret", "link", "deep", "none", "%00", ""):
        assert refused(f"https://samples.example/{path}", options).code == DOWNLOAD_FAILED
