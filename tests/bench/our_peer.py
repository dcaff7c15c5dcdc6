"""Our client as seeds or as a leech, in a process of its own: a `Session` each, without command line and web UI.

Many seeds live in one process, each with its own port and profile. The first one hashes the data, the others are given copies of
its profile and so trust what it remembers.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from gotorrent.config import ClientConfig
from gotorrent.metainfo.metainfo import Metainfo, parse
from gotorrent.session.session import Session
from tests.bench.usage import answer, cpu_seconds

POLL = 0.002  # seconds between two looks at the snapshot
CONFIG = replace(ClientConfig(), max_peers_per_torrent=1000, max_peers=1000)  # room for 200 peers; the rest is default


def _wait_until_complete(session: Session) -> None:
    tick, deadline = threading.Event(), time.monotonic() + 600
    while (torrent := session.snapshot().torrents[0]).state != "seeding":
        if torrent.error or time.monotonic() > deadline:
            raise RuntimeError(f"ours: {torrent.error or torrent.waiting_for or 'not complete in 10 minutes'}")
        tick.wait(POLL)


def _seeds(metainfo: Metainfo, folder: Path, count: int, profiles: Path) -> list[Session]:
    first = profiles / "0"
    session = Session(CONFIG, first, peer_port=0)
    session.start()
    session.add(metainfo, folder)
    _wait_until_complete(session)
    session.stop()
    sessions = []
    for number in range(1, count + 1):
        profile = shutil.copytree(first, profiles / str(number))
        session = Session(CONFIG, profile, peer_port=0)
        session.start()
        session.add(metainfo, folder)
        sessions.append(session)
    for session in sessions:
        _wait_until_complete(session)
    return sessions


def main() -> None:
    """Seed at once, or wait for `download PORT...`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["seed", "leech"])
    parser.add_argument("torrent", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1)
    options = parser.parse_args()
    metainfo = parse(options.torrent.read_bytes())

    with tempfile.TemporaryDirectory() as profiles:
        if options.role == "seed":
            sessions = _seeds(metainfo, options.folder, options.count, Path(profiles))
        else:
            sessions = [Session(CONFIG, Path(profiles) / "leech", peer_port=0)]
            sessions[0].start()

        def download(*ports: str) -> dict[str, Any]:
            used, start = cpu_seconds(), time.monotonic()
            sessions[0].add(metainfo, options.folder, peers=[("127.0.0.1", int(port)) for port in ports])
            _wait_until_complete(sessions[0])
            return {"seconds": time.monotonic() - start, "used": cpu_seconds() - used}

        answer({"ports": [session.peer_port for session in sessions]}, {"download": download})
        for session in sessions:
            session.stop()


if __name__ == "__main__":
    main()
