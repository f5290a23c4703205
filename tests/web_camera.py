"""Web cameras over HTTP, good ones and hostile ones, each at a path of its own."""

from __future__ import annotations

import http.server
import threading
from contextlib import suppress

from edge.camera.fake import encoded, scene


class Pushing(http.server.BaseHTTPRequestHandler):
    """A web camera: /sized and /plain push pictures, /single gives one, and the rest misbehaves."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        with suppress(OSError):  # who has seen enough hangs up
            super().handle()

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        getattr(self, f"do_{self.path.strip('/').partition('?')[0]}")()

    def start(self, kind, **headers):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_sized(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        for number in range(200):
            data = encoded(scene(number, 48, 64))
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            self.wfile.write(data + b"\r\n")
            if self.server.stop.wait(0.02):
                return

    def do_plain(self):
        self.start('multipart/x-mixed-replace; boundary="--frame"', Connection="close")
        self.close_connection = True
        self.wfile.write(b"--frame\r\n")
        for number in range(200):
            self.wfile.write(b"Content-Type: image/jpeg\r\n\r\n" + encoded(scene(number, 48, 64)) + b"\r\n--frame\r\n")
            if self.server.stop.wait(0.02):
                return

    def do_single(self):
        data = encoded(scene(1, 48, 64))
        self.start("image/jpeg", **{"Content-Length": str(len(data))})
        self.wfile.write(data)

    def do_short(self):
        self.start("image/jpeg", **{"Content-Length": "1000"})
        self.wfile.write(encoded(scene(1, 48, 64))[:900])
        self.close_connection = True

    def do_slow_single(self):
        self.start("image/jpeg", **{"Content-Length": "1000000"})
        self.close_connection = True
        self.drip()

    def do_slow_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        self.close_connection = True
        self.drip()

    def do_gigabytes(self):
        self.start("image/jpeg", **{"Content-Length": str(5 << 30)})
        self.close_connection = True

    def do_quiet(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        self.server.stop.wait()

    def do_page(self):
        self.start("text/html", **{"Content-Length": "2"})
        self.wfile.write(b"hi")

    def do_huge(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        self.wfile.write(b"--frame\r\nContent-Length: 99999999999\r\n\r\n")

    def do_endless(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        self.wfile.write(b"--frame\r\n\r\n")
        try:
            while not self.server.stop.is_set():
                self.wfile.write(bytes(1 << 20))
        except OSError:
            pass

    def do_dripping(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        self.drip()

    def drip(self):
        try:
            while not self.server.stop.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            pass

    def do_html_parts(self):
        self.start("multipart/x-mixed-replace; boundary=frame", Connection="close")
        self.close_connection = True
        for _ in range(3):
            self.wfile.write(b"--frame\r\nContent-Length: 6\r\n\r\n<html>\r\n")

    def do_away(self):
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_circle(self):
        self.send_response(302)
        self.send_header("Location", "/circle")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_locked(self):
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()


class WebCameras(http.server.ThreadingHTTPServer):
    """``with WebCameras() as web: web.at("sized")``. ``asked``: the paths and headers of all requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Pushing)
        self.asked, self.stop = [], threading.Event()

    def at(self, path, user=""):
        return f"http://{user}127.0.0.1:{self.server_address[1]}/{path}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.shutdown()
        self.server_close()
