"""A real mosquitto on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Mosquitto:
    """Started anew with ``start`` after ``stop``, on the same port and with what it retained."""

    def __init__(self, folder: Path, users: dict[str, str] | None = None) -> None:
        if not Path(MOSQUITTO).exists():
            message = "this needs a broker: apt-get install mosquitto"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        self.port = free_port()
        lines = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        lines += ["user root"]  # as root it would become a user who may not read pytest's folders
        lines += ["autosave_interval 1", f"allow_anonymous {'false' if users else 'true'}"]
        if users:
            passwords = folder / "passwords"
            passwords.touch(mode=0o644)
            for name, password in users.items():
                subprocess.run(["mosquitto_passwd", "-b", str(passwords), name, password], check=True)
            passwords.chmod(0o644)
            lines.append(f"password_file {passwords}")
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._config.chmod(0o644)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def retained(self, topic: str = "#", seconds: float = 1.0) -> dict[str, str]:
        """Topic -> payload of what a late subscriber is told."""
        return {name: payload for name, (payload, retained) in self.heard(topic, seconds).items() if retained}

    def heard(self, topic: str = "#", seconds: float = 1.0, user: str = "", password: str = "") -> dict:
        """Topic -> (newest payload, whether it was retained) of a subscriber that listens for a while."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        found: dict[str, tuple[str, bool]] = {}
        client = Client(CallbackAPIVersion.VERSION2)
        if user:
            client.username_pw_set(user, password)
        client.on_connect = lambda *_: client.subscribe(topic)
        client.on_message = lambda _, __, one: found.update(
            {one.topic: (one.payload.decode("utf-8", "replace"), one.retain)}
        )
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        time.sleep(seconds)
        client.loop_stop()
        client.disconnect()
        return found

    def publish(self, topic: str, payload: str) -> None:
        subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-m", payload], check=True
        )
