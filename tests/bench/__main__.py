"""`python -m tests.bench COMMAND`: our figures and an anchor's, taken in turns in the same run.

    download   our leech and libtorrent's, from our seed, from libtorrent's, and from many of our seeds at once
    seed       processor time of our seed and libtorrent's for the same leeches
    create     `-create` and mktorrent
    tracker    our tracker and opentracker: announces per second, latency, cost, memory, a flood
    tracker-redis  announces per second with one and two tracker processes on a real Redis
    tracker-soak   minutes of mixed load on one tracker: errors, memory, latency; exit code 1 unless all was well

Every figure is the median of some runs, with its range; the first round is not counted. Absolute figures depend on the machine and
its mood: what counts is the ratio within one run. What is timed and what is not: `peers.py` and `create.py`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys

from tests.bench.content import content
from tests.bench.report import MIB


def _size(text: str) -> int:
    """Bytes of "256M" or "1G"; a plain number is MiB."""
    unit = {"K": 1024, "M": MIB, "G": 1024 * MIB}.get(text[-1:].upper())
    return int(text[:-1]) * unit if unit else int(text) * MIB


def _counts(text: str) -> list[int]:
    counts = [int(count) for count in text.split(",")]
    if min(counts) < 1:
        raise ValueError(text)
    return counts


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Run one benchmark and print its table; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["download", "seed", "create", "tracker", "tracker-redis", "tracker-soak"])
    parser.add_argument("--size", type=_size, default=256 * MIB, help="256M, 1G, ... (default 256M)")
    parser.add_argument("--peers", type=_counts, default=[1, 50, 200], help="for download (default 1,50,200)")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each pair (default 3)")
    parser.add_argument("--minutes", type=float, default=10, help="for tracker-soak (default 10)")
    parser.add_argument("--rate", type=float, default=300, help="requests per second for tracker-soak (default 300)")
    options = parser.parse_args()
    if options.command == "tracker":
        from tests.bench import tracker

        print(tracker.run(options.runs, _say))
        return
    if options.command == "tracker-redis":
        from tests.bench import tracker_redis

        print(tracker_redis.run(options.runs, _say))
        return
    if options.command == "tracker-soak":
        from tests.bench import tracker_soak

        report, well = tracker_soak.run(options.minutes, options.rate, _say)
        print(report)
        sys.exit(not well)
    print(
        f"{options.command}: {options.size / MIB:.0f} MiB, {options.runs} runs; Python {platform.python_version()},"
        f" {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        flush=True,
    )
    with content(options.size) as shared:
        if options.command == "create":
            from tests.bench import create

            print(create.run(shared, options.runs, _say))
            return
        from tests.bench import download, seed

        if options.command == "seed":
            print(seed.run(shared, options.runs, _say))
        else:
            print(download.run(shared, options.peers, options.runs, _say))


if __name__ == "__main__":
    main()
