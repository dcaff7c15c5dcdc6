"""Download: our leech and libtorrent's from the same seeds, in turns; then from many seeds at once.

Pairs are named "seed -> leech". With more than one peer, all seeds are ours, in one helper process, each with its own port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Literal

from tests.bench.content import Content
from tests.bench.limit import limit
from tests.bench.peers import Kind, Peer, Sample, download
from tests.bench.report import DOWNLOAD_HEADING, download_row, ratio, spread, table

KINDS: tuple[Kind, ...] = ("ours", "libtorrent")
Results = dict[tuple[str, Kind], list[Sample]]
Figure = Literal["speed", "cpu", "peak", "seed_cpu"]


def measure(shared: Content, seeds: dict[str, Peer], runs: int, say: Callable[[str], None]) -> Results:
    """Download `runs` times by each kind of leech from each of `seeds`, A B A B, after one uncounted round."""
    results: Results = {(name, kind): [] for name in seeds for kind in KINDS}
    for run in range(-1, runs):
        for (name, kind), samples in results.items():
            sample = download(kind, seeds[name], shared.torrent, shared.folder)
            if run >= 0:
                samples.append(sample)
                say(f"run {run + 1}: {name} -> {kind} {shared.size / sample.seconds / 1e6:.0f} MB/s")
    return results


def one_seed_each(shared: Content, runs: int, say: Callable[[str], None]) -> Results:
    """The four pairs of our and libtorrent's seed and leech. Both seeds are up all the time; the idle one only waits."""
    with ExitStack() as stack:
        seeds = {kind: stack.enter_context(Peer(kind, "seed", shared.torrent, shared.file.parent)) for kind in KINDS}
        return measure(shared, dict(seeds), runs, say)


def compare(results: Results, ours: tuple[str, Kind], anchor: tuple[str, Kind], figure: Figure) -> str:
    """One line: our figure divided by the anchor's."""
    figures: dict[Figure, Callable[[Sample], float]] = {
        "speed": lambda sample: 1 / sample.seconds,
        "cpu": lambda sample: sample.cpu,
        "peak": lambda sample: sample.peak,
        "seed_cpu": lambda sample: sample.seed_cpu,
    }
    value = ratio(results[ours], results[anchor], figures[figure])
    return f"{figure:9}{' -> '.join(ours)} : {' -> '.join(anchor)} = {value:.2f}"


def run(shared: Content, peers: Sequence[int], runs: int, say: Callable[[str], None]) -> str:
    """All download figures for these numbers of peers; the report as text."""
    limits = [shared.size / limit(shared) / 1e6 for _ in range(runs + 1)][1:]
    results: Results = {}
    if 1 in peers:
        results |= one_seed_each(shared, runs, say)
    for count in sorted(set(peers) - {1}):
        with Peer("ours", "seed", shared.torrent, shared.file.parent, count) as seeds:
            results |= measure(shared, {f"ours x{count}": seeds}, runs, say)
    rows = [
        DOWNLOAD_HEADING,
        *(download_row(f"{seed} -> {leech}", samples, shared.size) for (seed, leech), samples in results.items()),
    ]
    lines = [table(rows), "", f"one TCP stream -> SHA-1 -> file: {spread(limits)} MB/s", ""]
    if 1 in peers:
        lines += [
            compare(results, ("ours", "ours"), ("ours", "libtorrent"), "speed"),
            compare(results, ("ours", "ours"), ("ours", "libtorrent"), "peak"),
            compare(results, ("libtorrent", "ours"), ("libtorrent", "libtorrent"), "speed"),
            compare(results, ("libtorrent", "ours"), ("libtorrent", "libtorrent"), "cpu"),
            compare(results, ("ours", "ours"), ("libtorrent", "libtorrent"), "speed"),
        ]
    for count in sorted(set(peers) - {1}):
        many = f"ours x{count}"
        lines += [compare(results, (many, "ours"), (many, "libtorrent"), figure) for figure in ("speed", "peak")]
        if 1 in peers:
            lines.append(compare(results, (many, "ours"), ("ours", "ours"), "speed"))
    return "\n".join(lines)
