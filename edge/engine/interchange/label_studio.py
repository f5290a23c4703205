"""Label Studio's JSON tasks with Choices, for local files.

Two controls: what is chosen in ``shown`` is shown, what is chosen in ``not_shown`` is not. ``config.xml`` is the
labelling interface for it. ``edge`` in a task's data has who, when and the rest; Label Studio keeps it. Reading takes
the choices of any control as shown, but for one named ``not_shown``; the newest annotation of a task counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import quoteattr

from edge.engine.interchange.base import Entry, Outgoing, Place, Refused, Word
from edge.engine.interchange.json_stream import elements
from edge.engine.interchange.reading import MOST_WORDS, Unusable, entry, moment, person, picture
from edge.engine.interchange.writing import JsonList, facts, names, opened
from edge.errors import InvalidArgument
from edge.image import SUFFIXES

FILE = "tasks.json"
_HIDDEN = "not_shown"
_LOCAL = "/data/local-files/?d="
_IMAGE = ("image", "img", "picture", "photo", "url")


class LabelStudio:
    """``tasks.json``, ``config.xml`` and ``images/``."""

    def recognises(self, place: Place) -> bool:
        """A JSON list of tasks."""
        return any(_is_tasks(path) for path in place.named("*.json"))

    def entries(self, place: Place, *, positives_only: bool) -> Iterator[Entry | Refused]:  # noqa: ARG002
        """The pictures of the tasks."""
        found = place.one(_is_tasks, "*.json")
        if len(found) != 1:
            raise InvalidArgument(f"{place.root} has {len(found)} files of Label Studio tasks; give the path of one")
        for key, task in elements(found[0]):
            if key != "" or not isinstance(task, dict) or not isinstance(task.get("data"), dict):
                raise InvalidArgument(f"{found[0]} is no list of Label Studio tasks; export it as JSON")
            name = _name(task["data"])
            try:
                yield _entry(place.root, name, task)
            except Unusable as error:
                yield Refused(str(name)[:200], str(error))

    def folder(self, words: Sequence[Word]) -> str | None:  # noqa: ARG002
        """All go to one."""
        return "images"

    def writer(self, folder: Path, concepts: Sequence[str]) -> _Writer:
        """Begin the file, and write the labelling interface."""
        choices = "".join(f"\n      <Choice value={quoteattr(name)}/>" for name in concepts)
        controls = "".join(
            f'\n    <Choices name="{name}" toName="image" choice="multiple">{choices}\n    </Choices>'
            for name in ("shown", _HIDDEN)
        )
        config = f'<View>\n    <Image name="image" value="$image"/>{controls}\n</View>\n'
        (folder / "config.xml").write_text(config, encoding="utf-8")
        return _Writer(folder / FILE)


class _Writer:
    def __init__(self, path: Path) -> None:
        self._file = opened(path)
        self._tasks = JsonList(self._file)

    def add(self, one: Outgoing) -> None:
        data = {"image": _LOCAL + quote(one.path), "edge": facts(one)}
        results = [
            _result(control, chosen) for control, value in (("shown", 1), (_HIDDEN, 0)) if (chosen := names(one, value))
        ]
        self._tasks.add({"data": data, "annotations": [{"result": results}] if results else []})

    def finish(self) -> None:
        self._tasks.finish()
        self._file.close()


def _result(control: str, chosen: list[str]) -> dict[str, Any]:
    return {"from_name": control, "to_name": "image", "type": "choices", "value": {"choices": chosen}}


def _is_tasks(path: Path) -> bool:
    try:
        key, first = next(iter(elements(path)), (None, None))
    except InvalidArgument:
        return False
    return key == "" and isinstance(first, dict) and isinstance(first.get("data"), dict)


def _name(data: dict[str, Any]) -> Any:
    """The picture of a task."""
    for key in _IMAGE:
        if isinstance(data.get(key), str):
            return data[key]
    texts = [one for one in data.values() if isinstance(one, str)]
    return next((one for one in texts if Path(one.partition("?")[0]).suffix.lower() in SUFFIXES), None)


def _entry(root: Path, name: Any, task: dict[str, Any]) -> Entry:
    file = _picture(root, name)
    values, by, at = _newest(task.get("annotations"))
    found = entry(file, values, task["data"].get("edge"))
    words = tuple(Word(one.concept, one.value, one.by or by, one.at or at) for one in found.words)
    return Entry(found.file, words, found.source, found.id, found.metadata)


def _picture(root: Path, name: Any) -> Path:
    """Where a picture is: a local file by its path below the folder, an uploaded one by the name it was given."""
    if isinstance(name, str) and name.startswith("/data/"):
        local = parse_qs(urlsplit(name).query).get("d")
        name = local[0] if local else "/".join(name.split("/")[3:])
    try:
        return picture(root, name, "images")
    except Unusable:
        short = name.rsplit("/", 1)[-1] if isinstance(name, str) and "/" in name and "://" not in name else None
        if short is None or ".." in name.split("/"):
            raise
        return picture(root, short, "images")  # exported elsewhere: the folder above is another one here


def _newest(annotations: Any) -> tuple[dict[str, int], str | None, Any]:
    """What the newest annotation of a task says, and whose it is."""
    found = [
        one
        for one in (annotations if isinstance(annotations, list) else ())
        if isinstance(one, dict) and not one.get("was_cancelled")
    ]
    if not found:
        return {}, None, None
    when = [moment(one.get("updated_at")) or moment(one.get("created_at")) for one in found]
    _, last = max(enumerate(found), key=lambda pair: (str(when[pair[0]] or ""), pair[0]))
    return _values(last.get("result")), _who(last.get("completed_by")), when[found.index(last)]


def _who(given: Any) -> str | None:
    if isinstance(given, dict):
        given = given.get("email")
    return f"label-studio-{given}" if isinstance(given, int) else person(given)


def _values(results: Any) -> dict[str, int]:
    values: dict[str, int] = {}
    for one in results if isinstance(results, list) else ():
        if not isinstance(one, dict) or one.get("type") != "choices" or not isinstance(one.get("value"), dict):
            continue
        chosen = one["value"].get("choices")
        if (
            not isinstance(chosen, list)
            or len(chosen) > MOST_WORDS
            or not all(isinstance(each, str) for each in chosen)
        ):
            raise Unusable("its choices are no list of texts")
        for name in chosen:
            value = 0 if one.get("from_name") == _HIDDEN else 1
            if values.setdefault(name, value) != value:
                raise Unusable(f"it is said to show {name!r} and not to show it; leave one of them")
    return values
