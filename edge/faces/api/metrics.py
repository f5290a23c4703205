"""What the service did, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.faces.api.core import Core

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts answers by RPC and status code, and how long they took."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def observe(self, rpc: str, code: int, seconds: float) -> None:
        """One answer of an RPC that there is."""
        with self._guard:
            self._answers[rpc, code] += 1
            buckets = self._buckets.setdefault(rpc, [0] * (len(_BOUNDS) + 1))
            buckets[sum(seconds > bound for bound in _BOUNDS)] += 1
            self._seconds[rpc] += seconds  # type: ignore[assignment]

    def text(self, core: Core) -> str:
        """All of it, with what there is in the store now."""
        with self._guard:
            lines = [*self._requests(), *self._durations()]
        return "\n".join([*lines, *_loops(core), *_state(core)]) + "\n"

    def _requests(self) -> Iterator[str]:
        yield "# HELP edge_requests_total Answers by RPC and status code."
        yield "# TYPE edge_requests_total counter"
        for (rpc, code), count in sorted(self._answers.items()):
            yield f'edge_requests_total{{rpc="{rpc}",code="{code}"}} {count}'

    def _durations(self) -> Iterator[str]:
        yield "# HELP edge_request_seconds How long answers took, without reading the request."
        yield "# TYPE edge_request_seconds histogram"
        for rpc, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                yield f'edge_request_seconds_bucket{{rpc="{rpc}",le="{bound}"}} {total}'
            yield f'edge_request_seconds_sum{{rpc="{rpc}"}} {float(self._seconds[rpc]):.6f}'
            yield f'edge_request_seconds_count{{rpc="{rpc}"}} {total}'


def _loops(core: Core) -> Iterator[str]:
    """Counters of the camera loops that run in this process."""
    if core.watch is None:
        return
    found = {loop.name: loop.counters for loop in core.watch.loops}
    for name in ("captures", "triggers", "predictions", "actions", "drops", "failures"):
        yield f"# HELP edge_watch_{name}_total What camera loops did."
        yield f"# TYPE edge_watch_{name}_total counter"
        for loop, counters in found.items():
            yield f'edge_watch_{name}_total{{loop="{loop}"}} {getattr(counters, name)}'
    yield "# HELP edge_watch_seconds From a trigger to its last action."
    yield "# TYPE edge_watch_seconds gauge"
    for loop, counters in found.items():
        for share in (0.5, 0.99):
            value = counters.latencies.percentile(share)
            if value is not None:
                yield f'edge_watch_seconds{{loop="{loop}",quantile="{share}"}} {value:.6f}'


def _state(core: Core) -> Iterator[str]:
    queued, failed = core.fetches.counts()
    gauges = {
        "edge_requests_in_flight": (core.gate.inside, "Requests being read or answered."),
        "edge_inputs": (core.engine.store.inputs.count(), "Stored inputs."),
        "edge_inputs_to_fetch": (queued, "Inputs by URL that are still to be fetched."),
        "edge_inputs_failed": (failed, "Inputs by URL that could not be fetched."),
        "edge_models": (len(core.engine.models()), "Models."),
        "edge_trainings": (len(core.engine.store.models.unfinished()), "Trainings that are queued or running."),
        "process_resident_memory_bytes": (_resident(), "Memory of the process."),
    }
    for name, (value, help) in gauges.items():
        yield from (f"# HELP {name} {help}", f"# TYPE {name} gauge", f"{name} {value}")


def _resident() -> int:
    import resource

    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()
