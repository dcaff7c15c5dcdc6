"""Starts the measured processes and lets one download from others.

A download is timed inside the downloading process: from the moment at which the torrent and the addresses of its peers are handed
over (libtorrent's: when it dials for the first time, up to half a second later) until every piece is verified. Not counted, for
ours and the anchor alike: starting the interpreter, imports, making the session, and what a seed does before it is ready. The
downloader's CPU seconds begin when the torrent is added, the seed's are what it used meanwhile; peak memory is that of the whole
process. All `have` messages are sent as always.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

Kind = Literal["ours", "libtorrent"]
MODULES: dict[Kind, str] = {"ours": "tests.bench.our_peer", "libtorrent": "tests.bench.libtorrent_peer"}


@dataclass(frozen=True)
class Sample:
    """One download. CPU in seconds, memory in bytes; of the seed only what belongs to this download."""

    seconds: float
    cpu: float
    peak: int
    seed_cpu: float
    seed_peak: int


class Peer:
    """A process that answers questions; `ports` are those on which its seeds listen."""

    def __init__(self, kind: Kind, role: Literal["seed", "leech"], torrent: Path, folder: Path, count: int = 1) -> None:
        command = [sys.executable, "-m", MODULES[kind], role, str(torrent), str(folder)]
        if count > 1:
            command += ["--count", str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports: list[int] = self._answer()["ports"]

    def ask(self, *words: object) -> dict[str, Any]:
        """What the process answers, always with its `cpu` seconds so far and its `peak` bytes."""
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with code {self._process.wait()}")
        return dict(json.loads(line))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()


def download(kind: Kind, seed: Peer, torrent: Path, folder: Path) -> Sample:
    """One download by a new `kind` of process from all ports of `seed`, into a new folder in `folder` that is then removed."""
    with tempfile.TemporaryDirectory(dir=folder) as target, Peer(kind, "leech", torrent, Path(target)) as leech:
        before = seed.ask("usage")
        result = leech.ask("download", *seed.ports)
        after = seed.ask("usage")
        return Sample(result["seconds"], result["used"], result["peak"], after["cpu"] - before["cpu"], after["peak"])
