"""The one core of the service: an RPC's name and a plain dict in, a plain dict out. REST and gRPC translate to it."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from edge.engine import Engine, Model
from edge.errors import EdgeError
from edge.faces.api import concepts, evaluations, inputs, models, outputs, searches, versions
from edge.faces.api.call import Call
from edge.faces.api.cameras import Cameras
from edge.faces.api.database import ServiceDatabase
from edge.faces.api.fetcher import Fetcher
from edge.faces.api.fetches import Fetches
from edge.faces.api.keys import SCOPES, Caller
from edge.faces.api.metrics import Metrics
from edge.faces.api.notes import Notes
from edge.faces.api.options import Options
from edge.faces.api.requests import at, text
from edge.faces.api.statuses import INTERNAL, MISSING, THROTTLED, Answer, Refused, answer, refusal
from edge.faces.api.statuses import SCOPES as NO_SCOPE

if TYPE_CHECKING:
    from edge.watch.runner import Watch

__all__ = ["ROUTES", "RPCS", "Answer", "Caller", "Core", "Gate", "Rpc"]


@dataclass(frozen=True, slots=True)
class Rpc:
    """A thing that can be asked: which scope of a key it needs, and who answers."""

    name: str
    scope: str
    handle: Callable[[Call], Answer]


RPCS: dict[str, Rpc] = {
    one.name: one
    for one in (
        Rpc("PostInputs", "write", inputs.post),
        Rpc("ListInputs", "read", inputs.list_inputs),
        Rpc("GetInput", "read", inputs.get),
        Rpc("PatchInputs", "write", inputs.patch),
        Rpc("DeleteInput", "write", inputs.delete),
        Rpc("DeleteInputs", "write", inputs.delete_many),
        Rpc("GetInputCount", "read", inputs.count),
        Rpc("PostConcepts", "write", concepts.post),
        Rpc("ListConcepts", "read", concepts.list_concepts),
        Rpc("GetConcept", "read", concepts.get),
        Rpc("PatchConcepts", "write", concepts.patch),
        Rpc("PostModels", "write", models.post),
        Rpc("ListModels", "read", models.list_models),
        Rpc("GetModel", "read", models.get),
        Rpc("PatchModels", "write", models.patch),
        Rpc("DeleteModel", "write", models.delete),
        Rpc("DeleteModels", "write", models.delete_many),
        Rpc("GetModelOutputInfo", "read", models.output_info),
        Rpc("GetModelType", "read", models.get_type),
        Rpc("ListModelTypes", "read", models.list_types),
        Rpc("PostModelVersions", "train", versions.post),
        Rpc("ListModelVersions", "read", versions.list_versions),
        Rpc("GetModelVersion", "read", versions.get),
        Rpc("DeleteModelVersion", "write", versions.delete),
        Rpc("PostModelOutputs", "predict", outputs.post),
        Rpc("ListModelConcepts", "read", models.list_concepts),
        Rpc("ListModelInputs", "read", inputs.list_of_model),
        Rpc("PostModelVersionMetrics", "read", evaluations.metrics),
        Rpc("GetModelVersionMetrics", "read", evaluations.metrics),
        Rpc("PostModelVersionEvaluations", "read", evaluations.post),
        Rpc("ListModelVersionEvaluations", "read", evaluations.list_evaluations),
        Rpc("GetModelVersionEvaluation", "read", evaluations.get),
        Rpc("PostInputsSearches", "read", searches.inputs),
        Rpc("PostAnnotationsSearches", "read", searches.inputs),
        Rpc("PostSearches", "read", searches.inputs),
        Rpc("PostConceptsSearches", "read", searches.concepts),
        Rpc("ListStatusCodes", "read", searches.list_codes),
        Rpc("GetStatusCode", "read", searches.get_code),
    )
}
"""Every RPC by its name."""

ROUTES: list[tuple[str, str, str]] = [
    ("POST", "/inputs", "PostInputs"),
    ("GET", "/inputs", "ListInputs"),
    ("PATCH", "/inputs", "PatchInputs"),
    ("DELETE", "/inputs", "DeleteInputs"),
    ("GET", "/inputs/status", "GetInputCount"),
    ("POST", "/inputs/searches", "PostInputsSearches"),
    ("GET", "/inputs/{input_id}", "GetInput"),
    ("DELETE", "/inputs/{input_id}", "DeleteInput"),
    ("POST", "/concepts", "PostConcepts"),
    ("GET", "/concepts", "ListConcepts"),
    ("PATCH", "/concepts", "PatchConcepts"),
    ("POST", "/concepts/searches", "PostConceptsSearches"),
    ("GET", "/concepts/{concept_id}", "GetConcept"),
    ("POST", "/models", "PostModels"),
    ("GET", "/models", "ListModels"),
    ("PATCH", "/models", "PatchModels"),
    ("DELETE", "/models", "DeleteModels"),
    ("GET", "/models/types", "ListModelTypes"),
    ("GET", "/models/types/{model_type_id}", "GetModelType"),
    ("GET", "/models/{model_id}", "GetModel"),
    ("DELETE", "/models/{model_id}", "DeleteModel"),
    ("GET", "/models/{model_id}/output_info", "GetModelOutputInfo"),
    ("POST", "/models/{model_id}/outputs", "PostModelOutputs"),
    ("POST", "/models/{model_id}/versions", "PostModelVersions"),
    ("GET", "/models/{model_id}/versions", "ListModelVersions"),
    ("GET", "/models/{model_id}/versions/{version_id}", "GetModelVersion"),
    ("DELETE", "/models/{model_id}/versions/{version_id}", "DeleteModelVersion"),
    ("GET", "/models/{model_id}/versions/{version_id}/output_info", "GetModelOutputInfo"),
    ("POST", "/models/{model_id}/versions/{version_id}/outputs", "PostModelOutputs"),
    ("GET", "/models/{model_id}/concepts", "ListModelConcepts"),
    ("GET", "/models/{model_id}/versions/{version_id}/concepts", "ListModelConcepts"),
    ("GET", "/models/{model_id}/inputs", "ListModelInputs"),
    ("GET", "/models/{model_id}/versions/{version_id}/inputs", "ListModelInputs"),
    ("POST", "/models/{model_id}/versions/{model_version_id}/evaluations", "PostModelVersionEvaluations"),
    ("GET", "/models/{model_id}/versions/{model_version_id}/evaluations", "ListModelVersionEvaluations"),
    ("GET", "/models/{model_id}/versions/{model_version_id}/evaluations/{evaluation_id}", "GetModelVersionEvaluation"),
    ("POST", "/models/{model_id}/versions/{version_id}/metrics", "PostModelVersionMetrics"),
    ("GET", "/models/{model_id}/versions/{version_id}/metrics", "GetModelVersionMetrics"),
    ("POST", "/annotations/searches", "PostAnnotationsSearches"),
    ("POST", "/searches", "PostSearches"),
    ("GET", "/status_codes", "ListStatusCodes"),
    ("GET", "/status_codes/{status_code_id}", "GetStatusCode"),
]
"""(method, path below /v2 or /v2/users/{user_id}/apps/{app_id}, RPC), in the order in which they are tried."""


class Gate:
    """Counts requests in flight and the bytes of their bodies; beyond the limits clients are told to slow down."""

    def __init__(self, requests: int, size: int) -> None:
        self._most = (requests, size)
        self._now = [0, 0]
        self._guard = threading.Lock()

    def enter(self, size: int = 0) -> bool:
        """Take one place and ``size`` bytes, if both are free; ``leave`` with the same size afterwards."""
        return self._take(1, size)

    def grow(self, size: int) -> bool:
        """Take more bytes for a request that is inside."""
        return self._take(0, size)

    def leave(self, size: int = 0) -> None:
        """Give them back."""
        with self._guard:
            self._now = [self._now[0] - 1, self._now[1] - size]

    @property
    def inside(self) -> int:
        """Requests in flight."""
        return self._now[0]

    def _take(self, requests: int, size: int) -> bool:
        with self._guard:
            wanted = [self._now[0] + requests, self._now[1] + size]
            fits = wanted[0] <= self._most[0] and (wanted[1] <= self._most[1] or self._now[0] == 0)
            if fits:
                self._now = wanted
            return fits


class Core:
    """What REST and gRPC share: one engine, its caps, what is still to be fetched.

    ``gate`` is for the faces: they enter before they read a request and leave once it is answered.
    """

    def __init__(self, engine: Engine, options: Options | None = None) -> None:
        self.engine = engine
        self.options = options or Options()
        self.gate = Gate(self.options.queue, self.options.max_bodies)
        self.database = ServiceDatabase(engine.store.path)
        self.metrics = Metrics()
        self.working = threading.BoundedSemaphore(self.options.workers)
        """Held while a picture is decoded and looked at: each may take hundreds of megabytes for a moment."""
        self.notes = Notes(self.database)
        self.fetches = Fetches(self.database)
        self._fetcher = Fetcher(self)
        self.decoders = ThreadPoolExecutor(2, thread_name_prefix="edge-decode")
        self.cameras = Cameras(self.options.cameras)
        self.watch: Watch | None = None
        """Camera loops that run in this process."""
        self.here = threading.local()
        """What a thread remembers from one request to the next."""
        self._models: dict[str, Model] = {}

    def call(self, rpc: str, request: Mapping[str, Any], caller: Caller, req_id: str | None = None) -> Answer:
        """Answer one request: the REST JSON shape with path parameters merged in, and who asks. Never raises.

        ``body["status"]`` has the code, a description and the request's id, ``req_id`` or a new one.
        """
        begun = time.perf_counter()
        found = self._call(rpc, request, caller)
        if rpc in RPCS:
            self.metrics.observe(rpc, found.body["status"]["code"], time.perf_counter() - begun)
        found.body["status"]["req_id"] = req_id or uuid4().hex
        return found

    def _call(self, rpc: str, request: Mapping[str, Any], caller: Caller) -> Answer:
        one = RPCS.get(rpc)
        if one is None:
            return answer(MISSING, f"there is no {rpc} here; docs/service.md lists what there is")
        if one.scope not in caller.scopes:
            return answer(
                NO_SCOPE,
                f"key {caller.name!r} lacks the scope {one.scope}; make one with: edge key create NAME --scope "
                f"{one.scope}",
            )
        try:
            return one.handle(self._prepared(request, caller))
        except Refused as refused:
            return answer(refused.code, refused.details)
        except EdgeError as error:
            return answer(refusal(error).code, str(error))
        except Exception:  # noqa: BLE001 a bug of ours must neither stop the service nor tell strangers where it is
            traceback.print_exc()
            return answer(INTERNAL, "the service has a fault here; its log says where")

    def _prepared(self, request: Mapping[str, Any], caller: Caller) -> Call:
        given = at(request, "user_app_id")
        options, user, app = self.options, text(given, "user_id"), text(given, "app_id")
        if options.app is not None and app not in ("", options.app):
            raise Refused(MISSING, f"there is no app {app!r} here; this device has {options.app!r}")
        if options.user is not None and user not in ("", "me", options.user):
            raise Refused(MISSING, f"there is no user {user!r} here; this device has {options.user!r}")
        user = (options.user or "me") if user in ("", "me") else user
        return Call(self, request, caller, user, app or options.app or "main")

    def model(self, name: str) -> Model:
        """A model that keeps its head from one request to the next. Raises NotFound."""
        kept = self._models.get(name)
        if kept is None:
            kept = self.engine.model(name)
            if len(self._models) >= 8:
                self._models.clear()
            self._models[name] = kept
        return kept

    def busy(self, req_id: str | None = None) -> Answer:
        """The answer to a request that found ``gate`` closed."""
        found = answer(THROTTLED, f"{self.gate.inside} requests are in flight; try again in a second")
        found.body["status"]["req_id"] = req_id or uuid4().hex
        return found

    def start(self) -> None:
        """Begin to fetch inputs by URL, those left over from before too."""
        self._fetcher.start()

    def close(self) -> None:
        """Stop fetching; what is not fetched yet is kept for the next start. The engine stays open."""
        self.cameras.close()
        self._fetcher.close()
        self.decoders.shutdown()
        self.database.close()


assert {rpc for _, _, rpc in ROUTES} <= set(RPCS) and {one.scope for one in RPCS.values()} <= set(SCOPES)
