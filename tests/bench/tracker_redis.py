"""Announces per second of one tracker process and of two on one real Redis, and of one that keeps its peers in memory.

Only answers with peers in them count. UDP is loaded by `udp_load`, a process for each tracker; HTTP by threads of this process, a
connection per request as clients do. All of them share this machine's processors with Redis: a second tracker process can only
help where there is one left for it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.report import spread, table
from tests.tracker.redis_server import RedisServer
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PEERS = 2000
SECONDS = 3.0
HTTP_THREADS = 4  # per tracker
WARM_UP = 0.5
CASES = (("memory, 1 process", 1, False), ("Redis, 1 process", 1, True), ("Redis, 2 processes", 2, True))


def run(runs: int, say: Callable[[str], None]) -> str:
    """The table of all cases, the median of `runs` each; the first round is not counted."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in CASES}
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        for number in range(runs + 1):
            for name, processes, shared in CASES:
                say(f"round {number}: {name}")
                with trackers(processes, redis.url if shared else "memory", Path(folder)) as ports:
                    figures = (_udp(ports), _http(ports))
                if number:
                    found[name].append(figures)
    heading = ("tracker", "UDP announces/s", "HTTP announces/s")
    rows = [(name, *(spread([figures[column] for figures in each]) for column in (0, 1))) for name, each in found.items()]
    return f"{os.cpu_count()} processors for trackers, Redis and load together\n{table([heading, *rows])}"


@contextmanager
def trackers(count: int, store: str, folder: Path) -> Iterator[list[int]]:
    """The ports of so many `tracker.py` with this store."""
    with ExitStack() as stack:
        ports = []
        for number in range(count):
            log = (folder / f"tracker-{number}.log").open("w+")
            stack.callback(log.close)
            command = [sys.executable, "tracker.py", "-host", "127.0.0.1", "-port", "0", "-store", store]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            path = Path(log.name)
            wait_until(lambda path=path: "Ctrl-C" in path.read_text(), 20, "the tracker has started")  # type: ignore[misc]
            ports.append(int(re.search(r"127\.0\.0\.1:(\d+)/announce", path.read_text())[1]))  # type: ignore[index]
        yield ports


def _udp(ports: Sequence[int]) -> float:
    """Announces per second of all trackers together."""
    loads = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.udp_load", str(port), str(SECONDS), str(PEERS)], cwd=ROOT, stdout=subprocess.PIPE
        )
        for port in ports
    ]
    return sum(float(json.loads(load.communicate()[0])["rate"]) for load in loads)


def _http(ports: Sequence[int]) -> float:
    """Announces per second of all trackers together."""
    begin = time.perf_counter() + WARM_UP
    counts = [0] * (HTTP_THREADS * len(ports))

    def load(place: int) -> None:
        port, number = ports[place % len(ports)], place
        while (now := time.perf_counter()) < begin + SECONDS:
            number = (number + len(counts)) % PEERS
            query = f"info_hash={'a' * 20}&peer_id={number:020}&port={1024 + number}&left=1&numwant=50&compact=1"
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                sock.sendall(f"GET /announce?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                answer = b""
                while chunk := sock.recv(4096):
                    answer += chunk
            counts[place] += now >= begin and b"5:peers" in answer and b"5:peers0:" not in answer

    threads = [threading.Thread(target=load, args=(place,)) for place in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS
