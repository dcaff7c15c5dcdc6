"""Our tracker against opentracker (Debian's package): announces per second, latency, cost, memory.

One process each, the same load generators (`udp_load`, `http_load`), in turns in one run: a swarm of `PEERS` peers, numwant 50;
only answers with peers in them count. What the tracker's process used is read from the system: where that is well below a whole
processor, the generator was what limited the rate, and the processor time per announce is the figure to compare.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from gotorrent.config import TrackerConfig
from gotorrent.tracker.swarms import Swarms
from gotorrent.wire.compact import pack_peer
from tests.bench.report import spread, table
from tests.bench.udp_load import TORRENT
from tests.interop.programs import free_port

PEERS = 1984
SECONDS = 3.0  # of each load
IDLE = 500  # connections that have sent half a request
MIB = 1 << 20


@dataclass
class Subject:
    """A running tracker."""

    name: str
    pid: int
    http: int
    udp: int

    def cpu(self) -> float:
        """Processor seconds of its process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Sample:
    """One load: good answers per second, processor seconds of tracker and generator per second and per announce."""

    rate: float
    tracker: float
    generator: float
    failed: int

    @property
    def cost(self) -> float:
        """Microseconds of the tracker's processor per announce."""
        return self.tracker / self.rate * 1e6 if self.rate else 0.0


@contextmanager
def our_tracker(kind: str) -> Iterator[Subject]:
    """`tracker` or `flask`, see `our_tracker`."""
    command = [sys.executable, "-m", "tests.bench.our_tracker", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        http, udp = process.stdout.readline().split()
        yield Subject("GoTorrent" if kind == "tracker" else "Flask on waitress", process.pid, int(http), int(udp))
        process.stdin.close()


@contextmanager
def opentracker() -> Iterator[Subject]:
    """Debian's opentracker, which serves only torrents in its white list and reads that after it went into its own folder."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "list").write_text(TORRENT.hex() + "\n")
        listed = "/list" if os.geteuid() == 0 else f"{folder}/list"
        command = ["opentracker", "-i", "127.0.0.1", "-p", str(port), "-P", str(port), "-d", folder, "-w", listed, "-u", "nobody"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            yield Subject("opentracker", process.pid, port, port)
            process.terminate()


def load(subject: Subject, kind: str, *rate: float) -> dict[str, float]:
    """What one generator process found out."""
    port = subject.udp if kind == "udp" else subject.http
    words = [sys.executable, "-m", f"tests.bench.{kind}_load", str(port), str(SECONDS), str(PEERS), *map(str, rate)]
    return dict(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))


def sample(subject: Subject, kind: str) -> Sample:
    """One load at full speed."""
    tracker, used = subject.cpu(), _children()
    found = load(subject, kind)
    return Sample(
        found["rate"],
        (subject.cpu() - tracker) / SECONDS,
        (_children() - used) / SECONDS,
        int(found["without_peers"] + found["lost"]),
    )


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def half_sent(port: int, count: int = IDLE) -> Iterator[None]:
    """`count` connections that have sent half a request and keep it so; opened anew by who runs a load, as trackers close them."""
    with ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            sock.sendall(b"GET /announce?info_hash=%01%02")
        time.sleep(0.5)
        yield


def rates(runs: int, say: Callable[[str], None]) -> str:
    """The table of announces per second and latency."""
    rows = [("", "announces/s", "ratio", "tracker us each", "tracker CPU", "generator CPU", "failed", "p50 ms", "p99 ms")]
    with ExitStack() as stack:
        ours, other = stack.enter_context(our_tracker("tracker")), stack.enter_context(opentracker())
        flask = stack.enter_context(our_tracker("flask"))
        for title, kind, idle, subjects in (
            ("HTTP", "http", 0, (other, ours, flask)),
            (f"HTTP, {IDLE} half-sent", "http", IDLE, (other, ours)),
            ("UDP", "udp", 0, (other, ours)),
        ):
            samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
            for number in range(runs + 1):
                for subject in subjects:
                    say(f"{title}: {subject.name}, run {number} of {runs}")
                    with half_sent(subject.http, idle):
                        found = sample(subject, kind)
                    if number:  # the first fills the swarm
                        samples[subject.name].append(found)
            anchor = median(one.rate for one in samples[other.name])
            for subject in subjects:
                with half_sent(subject.http, idle):
                    late = load(subject, kind, median(one.rate for one in samples[subject.name]) / 2)
                rows.append(_row(f"{title}: {subject.name}", samples[subject.name], anchor, late))
    return table(rows)


def _row(title: str, samples: list[Sample], anchor: float, late: dict[str, float]) -> tuple[str, ...]:
    middle = median(one.rate for one in samples)
    return (
        title,
        spread([one.rate for one in samples]),
        f"{middle / anchor:.2f}",
        spread([one.cost for one in samples], 1),
        spread([one.tracker * 100 for one in samples]) + " %",
        spread([one.generator * 100 for one in samples]) + " %",
        str(sum(one.failed for one in samples)),
        f"{late['p50']:.2f}",
        f"{late['p99']:.2f}",
    )


def costs() -> str:
    """Microseconds of one announce in the store, in swarms of three sizes."""
    rows = [("peers in the swarm", "us per announce")]
    for count in (10, 10_000, 1_000_000):
        swarms = Swarms(TrackerConfig(max_peers=2_000_000))
        peers = [struct.pack(">IH", 0x0A000000 + number, 6881) for number in range(count)]
        for number, peer in enumerate(peers):
            swarms.announce(TORRENT, peer, 0, number % 10 == 0, 0, False, 1.0)
        swarms.sweep(1.0)
        asked = [(peer, number % 10 == 0) for number, peer in enumerate(peers)][:: max(1, count // 1000)]
        best = 1.0
        for _ in range(20):
            begin = time.perf_counter()
            for peer, seed in asked:
                swarms.announce(TORRENT, peer, 0, seed, 9, False, 1.0)
            best = min(best, (time.perf_counter() - begin) / len(asked))
        rows.append((f"{count:,}", f"{best * 1e6:.2f}"))
    return table(rows)


def memory() -> str:
    """Bytes of memory per peer, each case in a process of its own."""
    rows = [("swarms", "bytes per peer", "MiB")]
    for swarms, peers in ((100_000, 10), (2, 100_000), (250_000, 1)):
        words = [sys.executable, "-m", "tests.bench.tracker", "fill", str(swarms), str(peers)]
        used = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        rows.append((f"{swarms:,} of {peers:,}", f"{used / swarms / peers:.0f}", f"{used / MIB:.0f}"))
    return table(rows)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fill(swarms: int, peers: int) -> int:
    """Bytes that so many swarms of so many peers take."""
    before, store = resident(), Swarms(TrackerConfig(max_peers=10_000_000))
    for torrent in range(swarms):
        for number in range(peers):
            peer = struct.pack(">IH", 0x0A000000 + (torrent * 7919 + number) % 0xFFFFFF, 6881)
            store.announce(torrent.to_bytes(20, "big"), peer, 0, number % 3 == 0, 0, False, 1.0)
    return resident() - before


def flood(count: int = 1_000_000) -> str:
    """A flood of `count` invented info-hashes, from one address and from all there are, against 60 000 honest swarms."""
    rows = [("flood from", "seconds", "longest ms", "peers kept", "honest swarms left", "MiB before", "MiB after")]
    for makers in (1, 1 << 24):
        store = Swarms(TrackerConfig())
        for torrent in range(60_000):
            for number in range(10):
                store.announce(torrent.to_bytes(20, "big"), struct.pack(">IH", 0x0A000000 + number, 1), 0, False, 0, False, 1.0)
        before, now, longest, begin = resident(), 1 + 29 * 60.0, 0.0, time.perf_counter()
        for number in range(count):
            start = time.perf_counter()
            maker = pack_peer(".".join(map(str, (1 + number % makers).to_bytes(4, "big"))), 1)
            store.announce(os.urandom(20), maker, 0, False, 50, False, now)
            if not number % 5000:
                store.sweep(now)
            longest = max(longest, time.perf_counter() - start)
        took = time.perf_counter() - begin
        totals = store.totals()
        alive = sum(found[2] == 10 for found in store.scrape([torrent.to_bytes(20, "big") for torrent in range(60_000)]))
        rows.append((
            f"{makers:,} addresses",
            f"{took:.1f}",
            f"{longest * 1e3:.1f}",
            f"{totals.seeds + totals.leechers:,}",
            f"{alive:,} of 60,000",
            f"{before / MIB:.0f}",
            f"{resident() / MIB:.0f}",
        ))  # fmt: skip
    return table(rows)


def run(runs: int, say: Callable[[str], None]) -> str:
    """All of it."""
    parts = [rates(runs, say)]
    for title, part in (("cost", costs), ("memory", memory), ("flood", flood)):
        say(title)
        parts.append(part())
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(fill(int(sys.argv[2]), int(sys.argv[3])))
