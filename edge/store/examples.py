"""What training reads: labels as they are, how they changed, and embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import BackboneChanged, StoreCorrupt
from edge.store.database import Database
from edge.types import UNKNOWN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK = 500
# A number's place in a shuffled order that never changes (Knuth, vol. 3, 6.4: multiplicative hashing); word for word
# as in the index, or SQLite does not use that.
_DRAWN = "(input * 2654435769 & 4294967295)"


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Net effect of the log on one input: labels (1, 0, -1) per asked concept, before and after."""

    input: int
    before: tuple[int, ...]
    after: tuple[int, ...]


class Examples:
    """Inputs by number, as rows of label and embedding arrays."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- labels --------------------------------------------------------------------------------------------------

    def labels(self, concepts: Sequence[str]) -> tuple[list[int], list[str], NDArray[np.int8]]:
        """Input numbers, ids and (n, K) int8 labels of all visible inputs with a known value for any concept.

        In the order the inputs came. Takes bytes, not records, per annotation: 100 000 inputs are few megabytes.
        """
        import numpy as np

        with self._database.read():
            columns = self._columns(concepts)
            known: dict[tuple[int, int], NDArray[np.int64]] = {
                (column, value): self._numbers("annotations WHERE concept = ? AND value = ?", "input", concept, value)
                for concept, column in columns.items()
                for value in (0, 1)
            }
            removed = self._numbers("inputs WHERE removed_at IS NOT NULL", "number")
            every = np.unique(np.concatenate([np.empty(0, np.int64), *known.values()]))
            numbers = every[~np.isin(every, removed)]
            ids = self._ids(numbers)
        labels = np.full((len(numbers), len(concepts)), UNKNOWN, dtype=np.int8)
        for (column, value), some in known.items():
            labels[np.isin(numbers, some), column] = value
        return numbers.tolist(), ids, labels

    def sample(self, concepts: Sequence[str], limit: int) -> tuple[list[int], list[str], NDArray[np.int8]]:
        """As ``labels`` while at most ``limit`` inputs have a known value, beyond that of some of them only.

        At least ``limit`` inputs then, at most a few times as many: of each concept the first of those that show it
        and of those that do not, in an order like shuffled that never changes. The cost does not grow with the store.
        """
        import numpy as np

        with self._database.read():
            columns = self._columns(concepts)
            numbers = self._drawn(columns, limit)
            labels = np.full((len(numbers), len(concepts)), UNKNOWN, dtype=np.int8)
            ids: dict[int, str] = {}
            place = {number: index for index, number in enumerate(numbers)}
            for start in range(0, len(numbers), _CHUNK):
                part = numbers[start : start + _CHUNK]
                ids.update(self._database.rows(f"SELECT number, id FROM inputs WHERE number IN ({_marks(part)})", part))
                for number, concept, value in self._database.rows(
                    f"SELECT input, concept, value FROM annotations WHERE input IN ({_marks(part)})", part
                ):
                    if concept in columns:
                        labels[place[number], columns[concept]] = value
        return numbers, [ids[number] for number in numbers], labels

    def unlabelled(self, concepts: Sequence[str], limit: int) -> tuple[list[int], int]:
        """Numbers of visible inputs about which nothing is said of any of the concepts, and how many there are.

        Beyond ``limit`` the first in an order like shuffled that never changes.
        """
        with self._database.read():
            columns = tuple(self._columns(concepts))
            where = (
                "FROM inputs WHERE removed_at IS NULL AND number NOT IN "
                f"(SELECT input FROM annotations WHERE concept IN ({_marks(columns)}))"
            )
            row = self._database.row(f"SELECT count(*) {where}", columns)
            order = _DRAWN.replace("input", "number")
            rows = self._database.rows(f"SELECT number {where} ORDER BY {order} LIMIT ?", (*columns, limit))
        return sorted(number for (number,) in rows), int(row[0]) if row is not None else 0

    def numbers(self) -> list[int]:
        """Numbers of all visible inputs, in the order they came."""
        rows = self._database.rows("SELECT number FROM inputs WHERE removed_at IS NULL ORDER BY number")
        return [number for (number,) in rows]

    def numbers_of(self, ids: Sequence[str]) -> list[int]:
        """Numbers of inputs by their whole ids; those that are not there are left out."""
        found: dict[str, int] = {}
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            found.update(self._database.rows(f"SELECT id, number FROM inputs WHERE id IN ({_marks(part)})", part))
        return [found[id] for id in ids if id in found]

    def _drawn(self, columns: Mapping[int, int], limit: int) -> list[int]:
        each = limit // max(1, len(columns)) + 1
        while True:
            lists = [
                self._database.rows(
                    "SELECT input FROM annotations WHERE concept = ? AND value = ? AND input NOT IN "
                    f"(SELECT number FROM inputs WHERE removed_at IS NOT NULL) ORDER BY {_DRAWN} LIMIT ?",
                    (concept, value, each),
                )
                for concept in columns
                for value in (0, 1)
            ]
            found = {number for rows in lists for (number,) in rows}
            if len(found) >= limit or all(len(rows) < each for rows in lists):
                return sorted(found)
            each *= 2

    def _numbers(self, table: str, column: str, *values: int) -> NDArray[np.int64]:
        """One column of whole numbers; as text in one row, which is far cheaper than a row each."""
        import numpy as np

        row = self._database.row(f"SELECT group_concat({column}) FROM {table}", values)
        text = row[0] if row is not None else None
        return np.empty(0, np.int64) if text is None else np.fromstring(text, dtype=np.int64, sep=",")

    def _ids(self, numbers: NDArray[np.int64]) -> list[str]:
        import numpy as np

        if not len(numbers):
            return []
        # no id has a control character; the index on ids has both columns
        row = self._database.row("SELECT group_concat(number), group_concat(id, char(10)) FROM inputs")
        assert row is not None
        every, ids = np.fromstring(row[0], dtype=np.int64, sep=","), row[1].split("\n")
        order = np.argsort(every)
        return [ids[index] for index in order[np.searchsorted(every[order], numbers)].tolist()]

    def _columns(self, concepts: Sequence[str]) -> dict[int, int]:
        known: dict[str, int] = dict(self._database.rows("SELECT id, number FROM concepts"))
        return {known[concept]: column for column, concept in enumerate(concepts) if concept in known}

    # --- the log -------------------------------------------------------------------------------------------------

    def last_change(self) -> int:
        """Number of the newest change."""
        row = self._database.row("SELECT coalesce(max(number), 0) FROM changes")
        return int(row[0]) if row is not None else 0

    def label_changes(self, since: int, until: int, concepts: Sequence[str]) -> list[LabelChange]:
        """Net label changes of inputs in (since, until]; the cost is that of the changes, not of the store.

        A removed input's labels are unknown; one whose labels are in the end what they were is left out.
        """
        with self._database.read():
            columns = self._columns(concepts)
            rows = self._database.rows(
                "SELECT input, concept, before, after FROM changes WHERE number > ? AND number <= ? ORDER BY number",
                (since, until),
            )
            touched: dict[int, dict[int, tuple[int, int]]] = {}
            for number, concept, before, after in rows:
                if concept in columns:
                    one = touched.setdefault(number, {})
                    one[concept] = (one[concept][0] if concept in one else before, after)
            moved = {n: one for n, one in touched.items() if any(before != after for before, after in one.values())}
            still = self._labels_at(until, list(moved), columns, len(concepts))
        return [_net(number, one, still[number], columns) for number, one in moved.items()]

    def _labels_at(
        self, until: int, numbers: Sequence[int], columns: Mapping[int, int], count: int
    ) -> dict[int, list[int]]:
        """Input -> labels as of ``until``: as they are now, less what came later, which is little or nothing."""
        found = {number: [UNKNOWN] * count for number in numbers}
        for start in range(0, len(numbers), _CHUNK):
            part = numbers[start : start + _CHUNK]
            for number, concept, value in self._database.rows(
                "SELECT input, concept, value FROM annotations JOIN inputs ON number = input "
                f"WHERE removed_at IS NULL AND input IN ({_marks(part)})",
                part,
            ):
                if concept in columns:
                    found[number][columns[concept]] = value
        for number, concept, before in self._database.rows(
            "SELECT input, concept, before FROM changes WHERE number > ? ORDER BY number DESC", (until,)
        ):
            if number in found and concept in columns:
                found[number][columns[concept]] = before
        return found

    # --- embeddings ----------------------------------------------------------------------------------------------

    def embeddings(self, numbers: Sequence[int], *, backbone_sha256: str, size: int) -> NDArray[np.int8]:
        """(n, size) int8 rows in the order of ``numbers``. Raises BackboneChanged when one was not computed."""
        import numpy as np

        out = np.empty((len(numbers), size), dtype=np.int8)
        position = {number: index for index, number in enumerate(numbers)}
        found = 0
        for start in range(0, len(numbers), _CHUNK):
            part = tuple(numbers[start : start + _CHUNK])
            rows = self._database.rows(
                f"SELECT input, data FROM embeddings WHERE backbone = ? AND input IN ({_marks(part)})",
                (backbone_sha256, *part),
            )
            for number, data in rows:
                if len(data) != size:
                    raise StoreCorrupt("an embedding has the wrong size; run edge doctor --repair")
                out[position[number]] = np.frombuffer(data, dtype=np.int8)
                found += 1
        if found != len(numbers):
            raise BackboneChanged("some pictures have no embedding under this backbone; run edge doctor --repair")
        return out

    def missing_embeddings(self, backbone_sha256: str, size: int, *, removed: bool = True) -> list[int]:
        """Numbers of inputs, removed ones too unless told, without an embedding of ``size`` bytes."""
        visible = "" if removed else "AND removed_at IS NULL"
        rows = self._database.rows(
            "SELECT number FROM inputs WHERE NOT EXISTS (SELECT 1 FROM embeddings WHERE input = inputs.number "
            f"AND backbone = ? AND length(data) = ?) {visible} ORDER BY number",
            (backbone_sha256, size),
        )
        return [number for (number,) in rows]

    def set_embeddings(self, rows: Iterable[tuple[int, bytes]], *, backbone_sha256: str) -> None:
        """Keep embeddings (input number, d int8 bytes) of one backbone, in one transaction.

        One that is there already stays, because statistics have counted it; only one of another size is replaced.
        """
        with self._database.write() as connection:
            connection.executemany(
                "INSERT INTO embeddings SELECT number, ?, ? FROM inputs WHERE number = ? "
                "ON CONFLICT DO UPDATE SET data = excluded.data WHERE length(data) != length(excluded.data)",
                [(backbone_sha256, data, number) for number, data in rows],
            )


def _net(
    number: int, moved: Mapping[int, tuple[int, int]], still: Sequence[int], columns: Mapping[int, int]
) -> LabelChange:
    """The change of one input: what was ``moved``, and labels that stood ``still`` on both sides."""
    before, after = list(still), list(still)
    for concept, (old, new) in moved.items():
        before[columns[concept]], after[columns[concept]] = old, new
    return LabelChange(number, tuple(before), tuple(after))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
