"""Every failure this package raises on purpose, under one root.

A leaf is also the builtin a Python programmer would expect (``except ValueError`` works), carries a stable
``code`` for programs and belongs to one of six kinds. Faces map kinds, never classes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Kind = Literal["invalid", "not_found", "conflict", "not_ready", "unavailable", "internal"]


class EdgeError(Exception):
    """Root of all errors. ``str(error)`` is one line that ends with what to do next."""

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = "internal"

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return " ".join(str(argument) for argument in self.args)


class InvalidArgument(EdgeError, ValueError):
    """A value that can never work: a bad name, a threshold outside [0, 1], annotations that contradict."""

    code = "invalid_argument"
    kind = "invalid"


class BadImage(EdgeError, ValueError):
    """Bytes that are no image, a truncated image, or one over the caps."""

    code = "bad_image"
    kind = "invalid"


class BadBackbone(EdgeError, ValueError):
    """A backbone file that is corrupted, does not match its card, or is not one we can run."""

    code = "bad_backbone"
    kind = "invalid"


class BadHead(EdgeError, ValueError):
    """Stored or installed head bytes that are damaged or made by an incompatible version."""

    code = "bad_head"
    kind = "invalid"


class BadRelease(EdgeError, ValueError):
    """A release that is not signed by those who are trusted, is older than what was seen, or does not read."""

    code = "bad_release"
    kind = "invalid"


class BadSegment(EdgeError, ValueError):
    """What another device sent is damaged, not signed by it, out of order, or from a device that is not let in."""

    code = "bad_segment"
    kind = "invalid"


class CannotTrain(EdgeError, ValueError):
    """The annotations do not determine a head: no positives, one concept in an exclusive model."""

    code = "cannot_train"
    kind = "not_ready"


class NotFound(EdgeError, KeyError):
    """No such input, concept, model, version, backbone or file."""

    code = "not_found"
    kind = "not_found"


class Conflict(EdgeError, ValueError):
    """The thing exists already, or the store is in a state that forbids the verb."""

    code = "conflict"
    kind = "conflict"


class NotTrained(EdgeError, RuntimeError):
    """Predict, evaluate or export was asked of a model without a trained version."""

    code = "not_trained"
    kind = "not_ready"


class BackboneChanged(EdgeError, RuntimeError):
    """Embeddings or a version belong to another backbone than the store names now."""

    code = "backbone_changed"
    kind = "not_ready"


class StoreTooNew(EdgeError, RuntimeError):
    """The store was written by a newer release of this package."""

    code = "store_too_new"
    kind = "conflict"


class StoreUnavailable(EdgeError, OSError):
    """The disk is full, read-only, locked for too long, or damaged."""

    code = "store_unavailable"
    kind = "unavailable"


class StoreCorrupt(EdgeError, OSError):
    """``store.sqlite`` is not a database or fails its own checks."""

    code = "store_corrupt"
    kind = "unavailable"


class RuntimeMissing(EdgeError, ImportError):
    """No TFLite runtime (or another optional package) is installed."""

    code = "runtime_missing"
    kind = "unavailable"


class HardwareMissing(EdgeError, OSError):
    """An accelerator was asked for and cannot be used; says which of the known reasons it is."""

    code = "hardware_missing"
    kind = "unavailable"


class CameraUnavailable(EdgeError, OSError):
    """A camera is missing, busy, not permitted, or has stopped giving pictures."""

    code = "camera_unavailable"
    kind = "unavailable"


class RemoteUnavailable(EdgeError, ConnectionError):
    """A remote does not answer, answers with an error of its own, or was cut off; the same may work later."""

    code = "remote_unavailable"
    kind = "unavailable"


class RemoteRefused(EdgeError, OSError):
    """A remote that will not do it however often it is asked: no permission, full, read-only, another one's, away."""

    code = "remote_refused"
    kind = "unavailable"


class PictureElsewhere(EdgeError, OSError):
    """The original of a picture was left to a remote, to make room; a small copy of it is here."""

    code = "picture_elsewhere"
    kind = "not_ready"
