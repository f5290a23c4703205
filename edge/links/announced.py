"""What a loop left at a broker, remembered over restarts, to be taken away when nobody needs it any more."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.links.discovery import key
from edge.links.mqtt import Broker
from edge.store.files import write_durably

log = logging.getLogger("edge.links")
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Announced:
    """Retained topics of a loop at a broker (``host:port``). ``file``: the configuration that names the loop, "" if
    none does."""

    broker: str
    file: str
    topics: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Announced | None:
        """What was remembered; None: nothing, or nothing that can be read."""
        try:
            if path.stat().st_size > _LARGEST:
                return None
            found = json.loads(path.read_bytes())
            return cls(str(found["broker"]), str(found["file"]), tuple(str(one) for one in found["topics"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Remember it durably, or forget it if there are no topics. Raises nothing: what cannot be remembered is only
        not taken away some day."""
        document = {"broker": self.broker, "file": self.file, "topics": sorted(self.topics)}
        try:
            if self.topics:
                write_durably(path, json.dumps(document, ensure_ascii=False).encode())
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be written (%s); make room", path, error.strerror)


def place_of(folder: Path, broker: str) -> Path:
    """Where it is remembered what the loop of this folder left at a broker."""
    return folder / f"mqtt-{key(broker)}.json"


class LeftBehind:
    """What no loop looks after any more: of ``loops`` what they left at a broker they do not speak to now, and what
    loops left that the same configuration once named.

    Loops of other configurations are none of these: another process may run them.
    """

    def __init__(self, folder: Path, file: str, loops: Iterable[str], brokers: Iterable[Broker]) -> None:
        running = set(loops)
        cared_for = {(loop, one.place) for one in brokers for loop in one.loops}
        self._taken: list[tuple[Path, Broker]] = []
        self.records: list[tuple[Path, Announced]] = []
        for path in sorted(folder.glob("*/mqtt-*.json")):
            record = Announced.read(path)
            if record is None or (path.parent.name, record.broker) in cared_for:
                continue
            if path.parent.name in running or (file and record.file == file):
                self.records.append((path, record))

    def take_away(self, brokers: Iterable[Broker]) -> None:
        """From those of these brokers that have it."""
        there = {one.place: one for one in brokers}
        for path, record in self.records:
            broker = there.get(record.broker)
            if broker is None:
                log.info("what loop %s left at %s stays there: nobody names it now", path.parent.name, record.broker)
                continue
            for topic in record.topics:
                broker.publish(topic, "", retain=True)
            self._taken.append((path, broker))

    def close(self) -> None:
        """Forget what the brokers have taken."""
        for path, broker in self._taken:
            if broker.state == "connected":
                path.unlink(missing_ok=True)
