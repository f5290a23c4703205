"""A real mosquitto on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Mosquitto:
    """Started anew with ``start`` after ``stop``, on the same port and with what it retained.

    ``tls``: encrypted, with the certificate ``folder/ca.pem``, which it signed itself.
    """

    def __init__(self, folder: Path, users: dict[str, str] | None = None, *, tls: bool = False) -> None:
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
        if tls:
            certificate(folder)
            lines += [f"certfile {folder / 'ca.pem'}", f"keyfile {folder / 'key.pem'}"]
        self._folder = folder
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

    def stop(self, *, forget: bool = False) -> None:
        """``forget``: as after a power cut that took what it retained."""
        if self._process is not None:
            self._process.kill() if forget else self._process.terminate()
            self._process.wait()
            self._process = None
        if forget:
            (self._folder / "mosquitto.db").unlink(missing_ok=True)

    def eventually(self, wanted: Callable[[dict[str, str]], bool], seconds: float = 20.0) -> dict[str, str]:
        """What is retained once it is as wanted; a busy machine may need a while."""
        until = time.monotonic() + seconds
        while not wanted(found := self.retained(seconds=0.4)):
            assert time.monotonic() < until, found
        return found

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

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        from paho.mqtt.publish import single

        single(topic, payload, qos=1, retain=retain, hostname="127.0.0.1", port=self.port)


def certificate(folder: Path) -> None:
    """``ca.pem`` and ``key.pem``: a certificate of 127.0.0.1, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(text)
