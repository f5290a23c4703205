"""Stores that meet at a remote in memory: what is merged, and what comes of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from edge.store import NewInput, Store
from edge.sync.book import LogBook

START = datetime(2026, 6, 1, tzinfo=UTC)
BACKBONE = "ab" * 32


class Device:
    """A store whose clock may be wrong, and its log."""

    def __init__(self, folder, skew=timedelta(0)):
        self.now = START + skew
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store.open(folder, clock=self._clock)
        self.store.default_settings(backbone="fake", backbone_sha256=BACKBONE)
        self.book = LogBook(self.store)

    def _clock(self):
        self.now += timedelta(milliseconds=7)
        return self.now

    def add(self, content, annotations=None, id=None, by="me"):
        data = f"picture {content}".encode()
        new = NewInput(data, "image/jpeg", 8, 8, f"{content}.jpg", b"\1" * 4, BACKBONE, annotations or {}, id)
        return self.store.inputs.add([new], by=by)[0][0].id

    def arrive(self):
        """Pictures that are awaited come, all of them."""
        with self.store.writing() as connection:
            hidden = "SELECT number FROM inputs WHERE awaited = 1 AND removed_at = 'awaited'"
            rows = connection.execute(hidden).fetchall()
            for (number,) in rows:
                connection.execute("UPDATE inputs SET awaited = 0, removed_at = NULL WHERE number = ?", (number,))
                connection.execute("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", (number, BACKBONE, b"\1" * 4))
                self.store.inputs.follow_removed(connection, number, None, "sync")
            connection.execute("UPDATE inputs SET awaited = 0")

    def dump(self):
        """Everything that is to be the same everywhere, whatever the order it came in."""
        rows = self.store._database.rows
        own = self.book.device
        ids = {0: own, **dict(rows("SELECT number, id FROM devices"))}
        words = rows(
            "SELECT i.sha256, c.id, a.value, a.by, a.at, a.stamp, a.device FROM annotations a JOIN inputs i ON "
            "i.number = a.input JOIN concepts c ON c.number = a.concept"
        )
        gone = rows(
            "SELECT i.sha256, c.id, -1, a.by, a.at, a.stamp, a.device FROM cleared a JOIN inputs i ON "
            "i.number = a.input JOIN concepts c ON c.number = a.concept"
        )
        inputs = rows("SELECT id, sha256, source, added_at, metadata, removed_at IN (SELECT 'awaited') OR removed_at "
                      "IS NULL, removed_stamp, metadata_stamp FROM inputs")  # fmt: skip
        return {
            "words": sorted((*one[:6], ids[one[6]]) for one in [*words, *gone]),
            "inputs": sorted(inputs),
            "concepts": sorted(rows("SELECT id, name, name_stamp FROM concepts")),
            "models": sorted(rows("SELECT name, concepts, exclusive, closed, stamp FROM models")),
            "models gone": sorted(rows("SELECT name, stamp FROM models_gone")),
        }


class Remote:
    """Objects by key."""

    def __init__(self):
        self.objects = {}

    def meet(self, device, *, lose=0.0, chance=None, pull=True, push=True):
        """A meeting that may end at any object."""
        chance = chance or random.Random(0)
        book = device.book

        def lost():
            return chance.random() < lose

        if push:
            key = book.manifest_key(book.device)
            there = self.objects.get(key)
            if book.met(there) is not None:
                key, there = book.manifest_key(book.device), None
            for name, data in book.segments(there):
                if lost():
                    return
                self.objects.setdefault(name, data)
            if lost():
                return
            self.objects[key] = book.manifest()
        if pull:
            manifests = sorted(one for one in self.objects if one.startswith("edge/1/manifests/"))
            chance.shuffle(manifests)
            for key in manifests:
                other = key.removeprefix("edge/1/manifests/").removesuffix(".json")
                if other == book.device:
                    continue
                for name in book.read(other, self.objects[key]):
                    if lost():
                        return
                    book.merge(other, self.objects[key], name, self.objects[name])


def converge(devices, remote):
    for _ in range(2):
        for one in devices:
            remote.meet(one)
    for one in devices:
        one.arrive()
        remote.meet(one)
    return [one.dump() for one in devices]
