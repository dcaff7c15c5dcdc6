"""The counts of completed downloads in a file, so that they outlive the tracker's process. No BEP rules it.

One line that says what it is, then `info-hash count` a line, in hex and decimal. The file is replaced whole, so that a crash leaves
the old or the new. One that is damaged, or written by a newer version, is refused and left as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from gotorrent.errors import ReadError, WriteError
from gotorrent.system import write_atomically

HEAD = b"gotorrent tracker, completed downloads, version 1"
MAX_FILE = 1024**3  # bytes; twenty million torrents
_LINE = re.compile(rb"([0-9a-f]{40}) ([0-9]{1,15})\n")


def read_completed(path: Path) -> dict[bytes, int]:
    """Completed downloads by info-hash; empty when there is no file yet. Raises `ReadError`."""
    counts: dict[bytes, int] = {}
    try:
        if not path.exists():
            return counts
        if path.stat().st_size > MAX_FILE:
            raise ReadError(f"{path} is longer than {MAX_FILE // 1024**2} MiB: this is no tracker's state")
        with path.open("rb") as file:
            if file.readline(len(HEAD) + 1).rstrip(b"\n") != HEAD:
                raise ReadError(f"{path} is no tracker's state, or that of a newer version: name another state_file")
            for number, line in enumerate(file, 2):
                match = _LINE.fullmatch(line)
                if match is None:
                    raise ReadError(f"{path} line {number} is damaged: mend it, or name another state_file")
                counts[bytes.fromhex(match[1].decode())] = int(match[2])
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    return counts


def write_completed(path: Path, counts: dict[bytes, int]) -> None:
    """Replace the file. Raises `WriteError`."""
    lines = [b"%b %d" % (info_hash.hex().encode(), count) for info_hash, count in counts.items()]
    try:
        write_atomically(path, b"\n".join([HEAD, *lines, b""]))
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}") from None
