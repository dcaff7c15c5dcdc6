"""Minutes of mixed load on one tracker process: no error, memory that stays flat, a dashboard that answers. Not run by pytest.

3 000 simulated peers in 100 torrents come and go over HTTP and UDP, IPv4 and IPv6, from many loopback addresses, as fast as `rate`
says; some scrape; one action in fifty is garbage. What the tracker should answer is known exactly, since nobody else announces:
each count in each answer is compared with it. Meanwhile somebody looks at the dashboard, and the tracker's memory is measured.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import quote_from_bytes

from gotorrent.metainfo import bencode
from gotorrent.wire.compact import PEER4, PEER6, pack_peer, split_peers
from tests.interop.programs import Program, free_port
from tests.waiting import wait_until

PEERS = 3000
TORRENTS = 100
ADDRESSES = 16  # of 127.0.1.0/24; over IPv6 there is ::1 alone
WARM_UP = 0.2  # of the time
GROWTH = 4 * 2**20  # bytes that memory may grow by after the warm-up
LOOK_SECONDS = 2.0
TIMEOUT = 5.0

HALVES = [b"", b"GET", b"GET /announce?info_hash=", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nGET /announce?"]
RUBBISH = [b"\0" * 100, b"\x13BitTorrent protocol" + bytes(48), b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(80)]
QUERIES = ["/announce", "/announce?info_hash=x", "/scrape?info_hash=%zz", "/announce?" + "a" * 9000, "/announce?port=0&left=-1"]


@dataclass
class Peer:
    """One simulated client: where it is, and what the tracker should know of it."""

    host: str
    port: int
    udp: bool
    torrent: int
    state: str = "absent"  # absent, leecher, seed

    @property
    def door(self) -> str:
        return f"{'udp' if self.udp else 'http'}{6 if ':' in self.host else 4}"

    @property
    def compact(self) -> bytes:
        return pack_peer(self.host, self.port)


@dataclass
class Report:
    """What was measured. Times in seconds, memory in bytes."""

    times: dict[str, list[float]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)

    def took(self, what: str, seconds: float) -> None:
        self.times.setdefault(what, []).append(seconds)

    def error(self, text: str) -> None:
        self.errors.append(text[:300])


class Load:
    """The peers. One thread, one request at a time, so that every answer can be foretold."""

    def __init__(self, port: int, report: Report) -> None:
        self._port = port
        self._report = report
        self._random = random.Random(7)
        self._hashes = [self._random.randbytes(20) for _ in range(TORRENTS)]
        self._downloads = [0] * TORRENTS
        self._counts = [{"leecher": 0, "seed": 0} for _ in range(TORRENTS)]
        hosts = [f"127.0.1.{1 + number % ADDRESSES}" if number % 4 else "::1" for number in range(PEERS)]
        sizes = [self._random.randrange(TORRENTS) ** 2 // TORRENTS for _ in range(PEERS)]  # a few large ones, many small
        self._peers = [Peer(host, 1024 + number, number // 4 % 2 == 0, sizes[number]) for number, host in enumerate(hosts)]
        self._random.shuffle(self._peers)
        self._sockets: dict[str, socket.socket] = {}
        self._ids: dict[str, tuple[bytes, float]] = {}  # host -> connection id and when it was handed out
        self._halves: list[socket.socket] = []

    def close(self) -> None:
        for sock in [*self._sockets.values(), *self._halves]:
            sock.close()

    def step(self) -> None:
        """One request of one peer, chosen by chance."""
        dice = self._random.random()
        peer = self._random.choice(self._peers)
        try:
            if dice < 0.02:
                self._garbage(peer)
            elif dice < 0.07:
                self._scrape(peer)
            else:
                self._announce(peer, self._choose_event(peer))
        except (OSError, ValueError, struct.error, LookupError) as error:
            self._report.error(f"{peer.door}: {error!r}")

    def leave(self) -> None:
        """Every peer says goodbye."""
        for peer in self._peers:
            if peer.state != "absent":
                self._announce(peer, "stopped")

    def _choose_event(self, peer: Peer) -> str:
        dice = self._random.random()
        if peer.state == "absent":
            return "started"
        if dice < 0.05:
            return "stopped"
        return "completed" if peer.state == "leecher" and dice < 0.15 else ""

    def _announce(self, peer: Peer, event: str) -> None:
        was = peer.state
        now = {"started": was if was != "absent" else "leecher", "completed": "seed", "stopped": "absent", "": was}[event]
        if event == "started" and self._random.random() < 0.2:
            now = "seed"
        counts = self._counts[peer.torrent]
        for state, change in ((was, -1), (now, 1)):
            if state in counts:
                counts[state] += change
        self._downloads[peer.torrent] += event == "completed"
        peer.state = now
        started = time.perf_counter()
        answer = (self._announce_udp if peer.udp else self._announce_http)(peer, event, now == "seed")
        self._report.took(peer.door, time.perf_counter() - started)
        self._report.done[event or "regular"] += 1
        seeds, leechers, peers = answer
        if (seeds, leechers) != (counts["seed"], counts["leecher"]):
            self._report.error(f"{peer.door} {event}: {seeds} seeds, {leechers} leechers told instead of {counts}")
        if peer.compact in peers or len(set(peers)) != len(peers) or (event == "stopped" and peers):
            self._report.error(f"{peer.door} {event}: the peer itself, or one twice, among {len(peers)} peers")
        if event != "stopped" and now == "leecher" and not peers and sum(counts.values()) > 1 and not peer.udp:
            self._report.error(f"{peer.door} {event}: no peers of {counts}")

    def _announce_http(self, peer: Peer, event: str, seed: bool) -> tuple[int, int, list[bytes]]:
        info_hash = quote_from_bytes(self._hashes[peer.torrent], safe="")
        fields = f"info_hash={info_hash}&peer_id=-SK0001-{peer.port:012}&port={peer.port}&uploaded=0&downloaded=0"
        body = self._get(peer.host, f"/announce?{fields}&left={0 if seed else 7}&compact=1&event={event}")
        answer = bencode.decode(body)
        peers = split_peers(answer[b"peers"], PEER4) + split_peers(answer.get(b"peers6", b""), PEER6)
        return answer[b"complete"], answer[b"incomplete"], peers

    def _announce_udp(self, peer: Peer, event: str, seed: bool) -> tuple[int, int, list[bytes]]:
        number = {"": 0, "completed": 1, "started": 2, "stopped": 3}[event]
        body = struct.pack(
            ">20s20sQQQI4sIiH",
            self._hashes[peer.torrent],
            b"-SK0001-udp-udp-udp-",
            0,
            0 if seed else 7,
            0,
            number,
            b"",
            0,
            -1,
            peer.port,
        )
        answer = self._ask(peer.host, 1, body)
        _, leechers, seeds = struct.unpack_from(">III", answer, 8)
        return seeds, leechers, split_peers(answer[20:], PEER6 if ":" in peer.host else PEER4)

    def _scrape(self, peer: Peer) -> None:
        chosen = self._random.sample(range(TORRENTS), self._random.randint(1, 20))
        hashes = [self._hashes[number] for number in chosen]
        expected = [(self._counts[n]["seed"], self._downloads[n], self._counts[n]["leecher"]) for n in chosen]
        if peer.udp:
            answer = self._ask(peer.host, 2, b"".join(hashes))
            got = list(struct.iter_unpack(">III", answer[8:]))
        else:
            query = "&".join(f"info_hash={quote_from_bytes(each, safe='')}" for each in hashes)
            files = bencode.decode(self._get(peer.host, f"/scrape?{query}"))[b"files"]
            got = [tuple(files[each][key] for key in (b"complete", b"downloaded", b"incomplete")) for each in hashes]
        self._report.done["scrape"] += 1
        if got != expected:
            self._report.error(f"{peer.door} scrape: {got} instead of {expected}")

    def _garbage(self, peer: Peer) -> None:
        """Something that no client sends; the tracker may answer as it likes, but not with an error of its own."""
        self._report.done["garbage"] += 1
        kind = self._random.randrange(4)
        if kind == 0:
            sock = self._socket(peer.host)
            sock.send(self._random.choice([self._random.randbytes(self._random.randrange(1, 200)), bytes(16), bytes(98)]))
            forged = struct.pack(">8sI4s", self._random.randbytes(8), 1, b"fake") + bytes(82)
            sock.send(forged)
        elif kind == 1:
            connection = self._connect(peer.host)
            connection.sendall(self._random.choice(HALVES))
            self._halves.append(connection)  # left open; at most fifty
            if len(self._halves) > 50:
                self._halves.pop(0).close()
        elif kind == 2:
            with self._connect(peer.host) as connection:
                connection.sendall(self._random.choice(RUBBISH) + b"\r\n\r\n")
        else:
            with self._connect(peer.host) as connection:
                connection.sendall(f"GET {self._random.choice(QUERIES)} HTTP/1.0\r\n\r\n".encode())
                answer = connection.recv(4096)
                if b" 500 " in answer[:20]:
                    self._report.error(f"garbage: {answer[:100]!r}")

    def _connect(self, host: str) -> socket.socket:
        return socket.create_connection(("::1" if ":" in host else "127.0.0.1", self._port), TIMEOUT, (host, 0))

    def _get(self, host: str, path: str) -> bytes:
        with self._connect(host) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: tracker\r\nUser-Agent: soak\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while chunk := sock.recv(65536):
                received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0] or b"failure reason" in body:
            raise ValueError(f"{path[:40]} answered {received[:200]!r}")
        return body

    def _socket(self, host: str) -> socket.socket:
        if host not in self._sockets:
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            sock.settimeout(TIMEOUT)
            sock.bind((host, 0))
            sock.connect(("::1" if ":" in host else "127.0.0.1", self._port))
            self._sockets[host] = sock
        return self._sockets[host]

    def _ask(self, host: str, action: int, body: bytes) -> bytes:
        """One request over UDP with a connection id of at most a minute; its answer."""
        connection, since = self._ids.get(host, (b"", 0.0))
        if not connection or time.perf_counter() - since > 60:
            connection = self._exchange(host, struct.pack(">QI", 0x41727101980, 0), 0, b"")[8:16]
            self._ids[host] = connection, time.perf_counter()
        return self._exchange(host, connection + struct.pack(">I", action), action, body)

    def _exchange(self, host: str, head: bytes, action: int, body: bytes) -> bytes:
        sock, transaction = self._socket(host), self._random.randbytes(4)
        sock.send(head + transaction + body)
        while True:  # answers to garbage come in between
            answer = sock.recv(2048)
            if answer[4:8] == transaction:
                break
        if int.from_bytes(answer[:4], "big") != action:
            raise ValueError(f"UDP action {action} answered {answer[8:100]!r}")
        return answer


def look(port: int, pid: int, report: Report, stopping: threading.Event) -> None:
    """Somebody with the dashboard open, and a look at the tracker's memory, every two seconds."""
    started = time.perf_counter()
    while not stopping.wait(LOOK_SECONDS):
        for path in ("/", "/dashboard.json", "/stats.json"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
            begun = time.perf_counter()
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or (path.endswith("json") and not json.loads(body)):
                    report.error(f"{path}: {answer.status}")
            except (OSError, ValueError) as error:
                report.error(f"{path}: {error!r}")
            finally:
                connection.close()
            report.took(path, time.perf_counter() - begun)
        status = Path(f"/proc/{pid}/status").read_text()
        resident = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
        report.memory.append((time.perf_counter() - started, resident))


def run(minutes: float, rate: float, say: Callable[[str], None]) -> tuple[str, bool]:
    """The report, and whether all was well."""
    report, stopping, port = Report(), threading.Event(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings, log = Path(folder, "config.yaml"), Path(folder, "log")
        settings.write_text('tracker:\n  state_file: "none"\n')
        with Program([sys.executable, "tracker.py", "-quiet", "-port", str(port), "-config", settings], log) as tracker:
            wait_until(lambda: tracker.running() and answers(port), 20, "the tracker has started")
            watcher = threading.Thread(target=look, args=(port, tracker.process.pid, report, stopping))
            watcher.start()
            load = Load(port, report)
            try:
                started = time.perf_counter()
                drive(load, minutes * 60, rate, report, say)
                load.leave()
                seconds = time.perf_counter() - started
                check_empty(port, report)
            finally:
                stopping.set()
                watcher.join()
                load.close()
            code = tracker.stop()
            printed = tracker.tail().splitlines()
        if code != 0:
            report.error(f"the tracker ended with code {code}")
        report.errors += [f"the tracker printed: {line}" for line in printed]
    return summary(report, seconds)


def drive(load: Load, duration: float, rate: float, report: Report, say: Callable[[str], None]) -> None:
    """Take steps at `rate` a second, or as fast as they are answered."""
    started = time.perf_counter()
    steps, next_word = 0, 30.0
    while (elapsed := time.perf_counter() - started) < duration:
        if steps > elapsed * rate:
            time.sleep(steps / rate - elapsed)
        load.step()
        steps += 1
        if elapsed > next_word:
            resident = report.memory[-1][1] / 2**20 if report.memory else 0
            say(f"{elapsed:4.0f} s: {steps} requests, {resident:.1f} MiB, {len(report.errors)} errors")
            next_word += 30


def answers(port: int) -> bool:
    """Does somebody listen there?"""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def check_empty(port: int, report: Report) -> None:
    """When all have left, the tracker's own figures are zeros."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", "/dashboard.json")
    seen = json.loads(connection.getresponse().read())
    connection.close()
    if (seen["seeds"], seen["leechers"]) != (0, 0):
        report.error(f"all have left, and still {seen['seeds']} seeds and {seen['leechers']} leechers")


def summary(report: Report, seconds: float) -> tuple[str, bool]:
    """The report in lines, and whether all was well."""
    lines = [f"{sum(report.done.values())} requests in {seconds:.0f} s ({sum(report.done.values()) / seconds:.0f} a second): "]
    lines[0] += ", ".join(f"{count} {what}" for what, count in report.done.most_common())
    for what, times in sorted(report.times.items()):
        cuts = quantiles(times, n=100)
        lines.append(
            f"{what:16} {len(times):7} answers   p50 {median(times) * 1e3:6.2f} ms   p99 {cuts[98] * 1e3:6.2f} ms"
            f"   max {max(times) * 1e3:6.1f} ms"
        )
    warm = [resident for since, resident in report.memory if since > WARM_UP * seconds]
    early, late = median(warm[: len(warm) // 10 + 1]), median(warm[-len(warm) // 10 :])
    lines.append(
        f"resident memory: {early / 2**20:.1f} MiB after the warm-up, {late / 2**20:.1f} MiB at the end,"
        f" {min(warm) / 2**20:.1f} to {max(warm) / 2**20:.1f} MiB between"
    )
    if late > early + GROWTH:
        report.error(f"memory grew by {(late - early) / 2**20:.1f} MiB after the warm-up")
    lines.append(f"errors: {len(report.errors)}")
    lines += report.errors[:20]
    return "\n".join(lines), not report.errors
