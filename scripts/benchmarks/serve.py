"""Predictions over REST, gRPC and in-process: rates, latencies, errors and memory, on the same pictures in one run."""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _common import PHOTOGRAPHS, Goal, machine, photograph, taught, verdicts

from edge import Engine
from edge.config import DEFAULT_BACKBONE, Config
from trainer.tables import print_table

CLIENTS = (1, 4, 16)
TURNS = 5
Ask = Callable[[int], bool]
"""Predict the picture of that number; whether it went well."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer requests")
    arguments.add_argument("--requests", type=int, help="requests of each kind and number of clients")
    arguments.add_argument("--soak", type=int, help="requests over which memory is watched")
    arguments.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="how many at once")
    arguments.add_argument("--size", type=int, default=640, help="longer side of the JPEGs")
    arguments.add_argument("--backbone", default=DEFAULT_BACKBONE)
    asked = arguments.parse_args()
    count = asked.requests or (100 if asked.quick else 1000)
    print(machine())
    pictures = jpegs(asked.size)
    print(f"{len(pictures)} JPEGs of {asked.size} pixels, {np.mean([len(one) for one in pictures]) / 1e3:.0f} kB each")
    with tempfile.TemporaryDirectory() as place:
        config = Config(threads=1, delegate="none")
        with Engine.open(Path(place) / "store", backbone=asked.backbone, config=config) as engine:
            model = taught(engine)
            with service(engine.store.path) as (pid, port, grpc_port):
                kinds = {
                    "in-process": lambda: lambda number: bool(model.predict(pictures[number]).concepts),
                    "REST": lambda: rest(port, pictures),
                    "gRPC": lambda: grpc(grpc_port, pictures),
                }
                goals = measure(pid, kinds, asked.clients, count, len(pictures))
                soaked = (1000 if asked.quick else 20_000) if asked.soak is None else asked.soak
                goals += soak(pid, kinds, soaked, len(pictures)) if soaked else []
    verdicts(goals)


def jpegs(size: int) -> list[bytes]:
    found = []
    for name in PHOTOGRAPHS:
        photo = photograph(name)
        photo.thumbnail((size, size))
        buffer = io.BytesIO()
        photo.save(buffer, "JPEG", quality=88)
        found.append(buffer.getvalue())
    return found


@contextmanager
def service(store: Path) -> Iterator[tuple[int, int, int]]:
    """``edge serve`` in a process of its own: its id, its port, its port for gRPC."""
    command = [sys.executable, "-m", "edge.faces.cli", "--store", str(store), "--json", "serve"]
    environment = {**os.environ, "EDGE_THREADS": "1", "EDGE_DELEGATE": "none"}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [*command, "--port", "0", "--grpc-port", "0"], stdout=subprocess.PIPE, stderr=log, env=environment
        ) as process,
    ):
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        try:
            yield process.pid, int(where["url"].rpartition(":")[2]), int(where["grpc"].rpartition(":")[2])
        finally:
            process.send_signal(signal.SIGTERM)


# --- clients ---------------------------------------------------------------------------------------------------------


def rest(port: int, pictures: list[bytes]) -> Ask:
    """A client that keeps its connection, as browsers and ``requests`` do."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bodies = [
        json.dumps({"inputs": [{"data": {"image": {"base64": base64.b64encode(one).decode()}}}]}).encode()
        for one in pictures
    ]

    def ask(number: int) -> bool:
        connection.request("POST", "/v2/models/things/outputs", bodies[number])
        answer = json.loads(connection.getresponse().read())
        return bool(answer["status"]["code"] == 10000 and answer["outputs"][0]["data"]["concepts"])

    return ask


def grpc(port: int, pictures: list[bytes]) -> Ask:
    """Clarifai's own client; as everywhere in gRPC, the clients of a process share one connection."""
    from clarifai_grpc.channel.clarifai_channel import ClarifaiChannel
    from clarifai_grpc.grpc.api import resources_pb2, service_pb2, service_pb2_grpc

    stub = service_pb2_grpc.V2Stub(ClarifaiChannel.get_insecure_grpc_channel("127.0.0.1", port))
    requests = [
        service_pb2.PostModelOutputsRequest(
            model_id="things",
            inputs=[resources_pb2.Input(data=resources_pb2.Data(image=resources_pb2.Image(base64=one)))],
        )
        for one in pictures
    ]

    def ask(number: int) -> bool:
        answer = stub.PostModelOutputs(requests[number])
        return answer.status.code == 10000 and bool(answer.outputs[0].data.concepts)

    return ask


def run(make: Callable[[], Ask], clients: int, count: int, pictures: int) -> tuple[np.ndarray, float, int]:
    """Milliseconds of each answer, answers a second, errors; ``clients`` at once, ``count`` requests in all."""
    numbers, taken = itertools.count(), [[] for _ in range(clients)]
    errors = [0] * clients
    ready = threading.Barrier(clients + 1)

    def work(client: int) -> None:
        ask = make()
        ask(client % pictures)
        ready.wait()
        while (number := next(numbers)) < count:
            start = time.perf_counter()
            try:
                good = ask(number % pictures)
            except Exception:  # noqa: BLE001 whatever it is, it is an error of a request
                good = False
            taken[client].append(1e3 * (time.perf_counter() - start))
            errors[client] += not good

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for one in threads:
        one.start()
    ready.wait()
    start = time.perf_counter()
    for one in threads:
        one.join()
    return np.concatenate(taken), count / (time.perf_counter() - start), sum(errors)


# --- figures ---------------------------------------------------------------------------------------------------------


def measure(
    pid: int, kinds: dict[str, Callable[[], Ask]], clients: Sequence[int], count: int, pictures: int
) -> list[Goal]:
    """Every kind with every number of clients, in turns; the medians of the turns.

    What a kind is above in-process is told by differences within a turn: the machine's load changes between turns. The
    processors' time of client and service together hardly depends on it.
    """
    rows, above, failed = [], {}, 0
    for at_once in clients:
        found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in kinds}
        for _ in range(TURNS):
            for name, make in kinds.items():
                before = busy(pid)
                times, rate, errors = run(make, at_once, max(count // TURNS, at_once), pictures)
                each = 1e3 * (busy(pid) - before) / (len(times) + at_once)  # each client asks once to warm up
                found[name].append((rate, float(np.median(times)), float(np.percentile(times, 99)), each))
                failed += errors
        for name, figures in found.items():
            rate, median, high, each = np.median(figures, axis=0)
            more = np.median(np.subtract(figures, found["in-process"]), axis=0)[1]
            above[name, at_once] = float(more)
            rows.append(
                (str(at_once), name, f"{rate:.0f}", f"{median:.2f}", f"{high:.2f}", f"{more:.2f}", f"{each:.2f}")
            )
    print()
    print_table(("clients", "over", "a second", "p50 ms", "p99 ms", "p50 above", "CPU ms"), rows)
    print()
    goals = [
        Goal(f"{name} above in-process, p50, one client", above[name, 1], 1.5, "ms")
        for name in ("REST", "gRPC")
        if 1 in clients
    ]
    return [*goals, Goal("errors", failed, 0)]


def soak(pid: int, kinds: dict[str, Callable[[], Ask]], count: int, pictures: int) -> list[Goal]:
    """What the service's memory grows by, half of the requests over each; counted once it has warmed up."""
    for name in ("REST", "gRPC"):
        run(kinds[name], 16, min(count, 1000), pictures)
    part, errors, seen = count // 10, 0, [resident(pid)]
    for turn in range(10):
        errors += run(kinds[("REST", "gRPC")[turn % 2]], 4, part, pictures)[2]
        seen.append(resident(pid))
    print("memory of the service, MB: " + " ".join(f"{one:.1f}" for one in seen))
    return [
        Goal(f"growth over {count} requests", seen[-1] - seen[0], 5, "MB"),
        Goal("errors meanwhile", errors, 0),
    ]


def busy(pid: int) -> float:
    """Seconds that the service and this process have kept processors busy."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return time.process_time() + sum(int(one.read_text().split()[0]) for one in tasks) / 1e9


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
