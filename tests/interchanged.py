"""What tests of formats compare, and the files of others they make up."""

from __future__ import annotations

import json
from datetime import UTC, datetime

FILES = {"coco": "labels.json", "label-studio": "tasks.json", "csv": "labels.csv", "huggingface": "metadata.jsonl"}
WITH_FILE = sorted(FILES)
EARLY = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)


def said(engine):
    """What a store holds, for comparing: id -> (sha256, source, metadata, {concept's name: (value, by, at)})."""
    names = {one.id: one.name for one in engine.concepts()}
    return {
        one.id: (
            one.sha256,
            one.source,
            dict(one.metadata),
            {names[word.concept_id]: (word.value, word.by, word.at) for word in one.annotations},
        )
        for one in engine.inputs()
    }


def described(folder, format, *names, concept="cat", **more):
    """A folder's file in a format, naming these pictures."""
    if format == "coco":
        images = [{"id": number, "file_name": name, "edge": more} for number, name in enumerate(names)]
        labels = [{"image_id": number, "category_id": 1} for number in range(len(names))]
        content = json.dumps({"images": images, "annotations": labels, "categories": [{"id": 1, "name": concept}]})
    elif format == "label-studio":
        result = [{"type": "choices", "from_name": "c", "value": {"choices": [concept]}}]
        content = json.dumps(
            [{"data": {"image": one, "edge": more}, "annotations": [{"result": result}]} for one in names]
        )
    elif format == "csv":
        extra = [json.dumps(value) if isinstance(value, dict) else str(value) for value in more.values()]
        lines = [["picture", "concept", *more], *([name, concept, *extra] for name in names)]
        content = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) + "\r\n" for line in lines)
    else:
        content = "".join(json.dumps({"file_name": name, "concepts": [concept], **more}) + "\n" for name in names)
    (folder / FILES[format]).write_text(content, encoding="utf-8")
    return folder
