"""Clarifai's status codes: what they say, which HTTP status goes with them, and what becomes of our own errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import EdgeError, Kind
from edge.types import VersionStatus

OK, MIXED, FAILURE, NOT_IMPLEMENTED = 10000, 10010, 10020, 10040
THROTTLED, SCOPES, KEY_INVALID = 11005, 11007, 11008
BAD_FORMAT, MISSING, INVALID, METHOD = 11100, 11101, 11102, 11103
TRAINED, TRAINING, UNTRAINED, QUEUED, TRAINING_FAILED = 21100, 21101, 21102, 21103, 21106
NO_DATA, NO_POSITIVES, ONE_CLASS = 21110, 21111, 21112
NO_MODEL, MODEL_ARGUMENT, MODEL_REQUEST = 21200, 21202, 21203
EVALUATED, EVALUATING, NOT_EVALUATED, EVALUATION_QUEUED, PREDICTION_FAILED = 21300, 21301, 21302, 21303, 21313
DOWNLOADED, PENDING, DOWNLOAD_FAILED, IN_PROGRESS = 30000, 30001, 30002, 30003
DUPLICATE, INPUT_ARGUMENT, OVER_LIMIT, BAD_URL, BAD_BYTES = 30100, 30104, 30105, 30106, 30300
INPUT_REQUEST, CONCEPTS_REQUEST, DUPLICATE_KEY, TOO_LARGE, TIMEOUT = 39999, 40003, 40010, 40033, 40032
SERVER, INTERNAL = 90500, 99009

TEXTS: Mapping[int, tuple[int, str]] = {
    OK: (200, "Ok"),
    MIXED: (207, "Mixed Success"),
    FAILURE: (400, "Failure"),
    NOT_IMPLEMENTED: (501, "Not implemented"),
    THROTTLED: (429, "Too many requests, slow down"),
    SCOPES: (403, "Insufficient scopes"),
    KEY_INVALID: (401, "Invalid API key or Invalid API key/application pair"),
    BAD_FORMAT: (400, "Bad request format"),
    MISSING: (404, "Resource does not exist"),
    INVALID: (400, "Invalid request"),
    METHOD: (405, "Method not allowed"),
    TRAINED: (200, "Model is trained and ready"),
    TRAINING: (400, "Model is currently being trained."),
    UNTRAINED: (400, "Model not yet trained"),
    QUEUED: (400, "Model is currently in queue for training."),
    TRAINING_FAILED: (400, "Model training failed"),
    NO_DATA: (400, "Model training had no data"),
    NO_POSITIVES: (400, "Model training had no positive examples"),
    ONE_CLASS: (400, "A mutually exclusive model needs more than one concept"),
    NO_MODEL: (404, "Model does not exist"),
    MODEL_ARGUMENT: (400, "Model argument is invalid"),
    MODEL_REQUEST: (400, "Model request is invalid"),
    EVALUATED: (200, "Model was successfully evaluated"),
    EVALUATING: (200, "Model is evaluating"),
    NOT_EVALUATED: (200, "Model is not evaluated"),
    EVALUATION_QUEUED: (200, "Model is queued for evaluation"),
    PREDICTION_FAILED: (400, "Model prediction failed"),
    DOWNLOADED: (200, "Download complete"),
    PENDING: (200, "Download pending"),
    DOWNLOAD_FAILED: (400, "Download failed; check the URL"),
    IN_PROGRESS: (200, "Download in progress"),
    DUPLICATE: (400, "Input is a duplicate"),
    INPUT_ARGUMENT: (400, "Input has an invalid argument"),
    OVER_LIMIT: (400, "Input is over a limit"),
    BAD_URL: (400, "Input has an invalid URL"),
    BAD_BYTES: (400, "Input has no picture that can be read"),
    INPUT_REQUEST: (400, "Invalid input request"),
    CONCEPTS_REQUEST: (400, "Invalid request"),
    DUPLICATE_KEY: (400, "It exists already"),
    TIMEOUT: (408, "The request took too long"),
    TOO_LARGE: (413, "The request is too large"),
    SERVER: (503, "The server cannot do this now"),
    INTERNAL: (500, "Internal error"),
}
"""Code -> (HTTP status, description). Codes of inputs and versions that are no failure are 200."""

VERSION_CODES: Mapping[VersionStatus, int] = {
    VersionStatus.UNTRAINED: UNTRAINED,
    VersionStatus.QUEUED: QUEUED,
    VersionStatus.TRAINING: TRAINING,
    VersionStatus.TRAINED: TRAINED,
    VersionStatus.FAILED: TRAINING_FAILED,
}

_KINDS: Mapping[Kind, int] = {
    "invalid": INVALID,
    "not_found": MISSING,
    "conflict": DUPLICATE_KEY,
    "not_ready": UNTRAINED,
    "unavailable": SERVER,
    "internal": INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: the HTTP status, and a body of plain JSON values that always has ``status``."""

    http: int
    body: dict[str, Any]


class Refused(Exception):
    """What the client asked cannot be done; ``code`` is one of ``TEXTS``, ``details`` say what to do."""

    def __init__(self, code: int, details: str = "") -> None:
        super().__init__(details)
        self.code = code
        self.details = details


def status(code: int, details: str = "") -> dict[str, Any]:
    """A status as it stands in answers, without its request's id."""
    body: dict[str, Any] = {"code": code, "description": TEXTS[code][1]}
    if details:
        body["details"] = details
    return body


def answer(code: int, details: str = "", **body: Any) -> Answer:
    """An answer with this code on top."""
    return Answer(TEXTS[code][0], {"status": status(code, details), **body})


def together(items: Iterable[Mapping[str, Any]], good: Iterable[int] = (OK,), **body: Any) -> Answer:
    """The answer for several things that each have a ``status``: all well, mixed, or all failed.

    When all failed for the same reason, that reason is on top.
    """
    fine = set(good)
    statuses = [item["status"] for item in items]
    failed = [one for one in statuses if one["code"] not in fine]
    if not failed:
        return answer(OK, **body)
    if len(failed) < len(statuses):
        return answer(MIXED, f"{len(failed)} of {len(statuses)} failed; each says why", **body)
    codes = {one["code"] for one in failed}
    if len(codes) > 1:
        return answer(FAILURE, "all failed; each says why", **body)
    return answer(codes.pop(), failed[0].get("details", ""), **body)


def refusal(error: EdgeError) -> Refused:
    """Our own error in Clarifai's words: kinds are mapped, never classes."""
    return Refused(_KINDS[error.kind], str(error))
