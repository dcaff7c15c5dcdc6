"""Our own two programs: the tracker, in this process, and the client as a person runs it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from urllib.parse import quote_from_bytes
from urllib.request import urlopen

import bencodepy

from gotorrent.config import TrackerConfig
from tests.interop.programs import ROOT, Program
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer


@contextmanager
def our_tracker(host: str = "127.0.0.1") -> Iterator[str]:
    """Announce URL of a tracker on a free port of `host`. Its interval is the default, so everyone announces once: who comes
    later dials who came earlier, and nobody dials both ways at once (Transmission and libtorrent then drop both connections).
    """
    with TrackerServer(TrackerConfig(), host=host, port=0) as server:
        yield f"http://{host}:{server.port}/announce"


def wait_for_seeds(tracker: str, torrent: Path, count: int = 1) -> None:
    """Return as soon as a scrape (BEP 48) of `tracker` counts at least `count` seeds of `torrent`."""
    info = bencodepy.decode(torrent.read_bytes())[b"info"]
    info_hash = quote_from_bytes(sha1(bencodepy.encode(info)).digest(), safe="")
    url = f"{tracker.removesuffix('announce')}scrape?info_hash={info_hash}"

    def seeds() -> int:
        with urlopen(url, timeout=5) as answer:
            return sum(one[b"complete"] for one in bencodepy.decode(answer.read())[b"files"].values())

    wait_until(lambda: seeds() >= count, 15, f"the tracker knows {count} seeds")


def create(source: Path, tracker: str) -> Path:
    """The .torrent that our own `-create` writes beside `source`."""
    command = [sys.executable, "client.py", "-create", str(source), "-tracker", tracker, "-piece-size", "64K"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout + done.stderr
    return source.with_name(f"{source.name}.torrent")


class OurClient(Program):
    """Seeds what lies in `folder` and fetches the rest; with `leave` it ends when the copy is complete (`-exit`)."""

    def __init__(self, torrent: Path, folder: Path, log: Path, *, leave: bool = False) -> None:
        profile = log.with_suffix(".profile")
        command = [sys.executable, "client.py", "-torrent", str(torrent), "-dir", str(folder), "-profile", str(profile)]
        command += ["-port", "0", "-no-ui", "-no-browser", "-json"]
        super().__init__(command + (["-exit"] if leave else []), log)
