"""What the benchmarks share: a file of random bytes and a torrent of it, in memory-backed storage where the system has it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gotorrent.metainfo.create import CreateOptions, create

PIECE_SIZE = 256 * 1024
MEMORY = Path("/dev/shm")
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Content:
    """`file` lies in a folder of its own; `folder` is the one above, with room for copies."""

    folder: Path
    file: Path
    torrent: Path
    size: int


@contextmanager
def content(size: int) -> Iterator[Content]:
    """A file of `size` random bytes and its torrent, for the time of the `with` block."""
    where = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="gotorrent-bench-", dir=where) as name:
        folder = Path(name)
        file = folder / "sent" / "file.bin"
        file.parent.mkdir()
        with file.open("wb") as output:
            for at in range(0, size, _CHUNK):
                output.write(os.urandom(min(_CHUNK, size - at)))
        torrent = folder / "file.torrent"
        torrent.write_bytes(create(file, CreateOptions(piece_size=PIECE_SIZE)).data)
        yield Content(folder, file, torrent, size)
