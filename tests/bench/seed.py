"""Seeding: the processor time that our seed and libtorrent's spend on a GiB, while they serve the same leeches."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.content import Content
from tests.bench.download import KINDS, compare, one_seed_each
from tests.bench.report import DOWNLOAD_HEADING, download_row, table


def run(shared: Content, runs: int, say: Callable[[str], None]) -> str:
    """The report as text."""
    results = one_seed_each(shared, runs, say)
    rows = [download_row(f"{seed} -> {leech}", samples, shared.size) for (seed, leech), samples in results.items()]
    lines = [table([DOWNLOAD_HEADING, *rows]), ""]
    for leech in KINDS:
        lines += [compare(results, ("ours", leech), ("libtorrent", leech), figure) for figure in ("seed_cpu", "speed")]
    return "\n".join(lines)
