"""What the client remembers of a torrent between two runs: which pieces it has, and which files are its own. No BEP rules it.

One small JSON file for each pair of info-hash and folder, so that two clients on one machine that seed and fetch the same
torrent never meet each other's state. It is written whole to a temporary file, synced and renamed over the old one. A state that
a newer version of the program wrote is refused and left as it is.

Its manifest, the files that this client made, is saved before the first of them is created: whatever happens later, the program
knows that it may write into them. Pieces are believed only after a clean stop, and only in files whose size and time of change
are the same; all others are hashed again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gotorrent.errors import PeerError, ReadError, WriteError
from gotorrent.metainfo.metainfo import InfoHash, Metainfo
from gotorrent.storage.check import FileStat
from gotorrent.system import write_atomically
from gotorrent.wire.bitfield import Bitfield

VERSION = 1
MAX_STATE_SIZE = 32 * 1024 * 1024
"""A torrent of 200 000 files has a state of some 8 MiB; a larger file is not one of ours."""


@dataclass
class ResumeState:
    """`have` holds the verified pieces; `files` what each file looked like then; `made` the indices of the files we created."""

    have: Bitfield
    files: list[FileStat | None]
    made: set[int] = field(default_factory=set)
    clean: bool = False
    uploaded: int = 0
    downloaded: int = 0


class ResumeFile:
    """The state of one torrent in one folder."""

    def __init__(self, profile: Path, metainfo: Metainfo, folder: Path) -> None:
        self._info_hash: InfoHash = metainfo.info_hash
        self._pieces = metainfo.layout.piece_count
        self._file_count = len(metainfo.layout.files)
        self._folder = str(folder.resolve())
        place = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
        self.path = profile / "resume" / f"{metainfo.info_hash.hex()}-{place}.json"

    def load(self) -> ResumeState | None:
        """The remembered state; None when there is none, or none that can be believed. ReadError for one of a newer program."""
        try:
            if self.path.stat().st_size > MAX_STATE_SIZE:
                return None
            data = json.loads(self.path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(data, dict):
            return None
        version = data.get("version")
        if isinstance(version, int) and version > VERSION:
            raise ReadError(f"{self.path} was written by a newer GoTorrent: use that one, or another -profile")
        try:
            return self._decode(data)
        except (LookupError, TypeError, ValueError, ArithmeticError, PeerError):
            return None

    def save(self, state: ResumeState) -> None:
        """Replace the state on disk, atomically. WriteError when the profile cannot be written."""
        data = {
            "version": VERSION,
            "info_hash": self._info_hash.hex(),
            "folder": self._folder,
            "clean": state.clean,
            "have": base64.b64encode(state.have.bytes).decode(),
            "files": [None if file is None else [file.size, file.mtime_ns] for file in state.files],
            "made": sorted(state.made),
            "uploaded": state.uploaded,
            "downloaded": state.downloaded,
        }
        try:
            write_atomically(self.path, json.dumps(data).encode())
        except OSError as error:
            raise WriteError(f"cannot remember the state of this torrent in {self.path}: {error.strerror}") from error

    def _decode(self, data: dict[str, Any]) -> ResumeState | None:
        packed = base64.b64decode(data["have"], validate=True)
        have = Bitfield.from_wire(packed, self._pieces)
        if data["info_hash"] != self._info_hash.hex() or len(data["files"]) != self._file_count:
            return None
        files = [None if file is None else FileStat(int(file[0]), int(file[1])) for file in data["files"]]
        made = {index for index in data["made"] if isinstance(index, int) and 0 <= index < self._file_count}
        return ResumeState(have, files, made, data["clean"] is True, int(data["uploaded"]), int(data["downloaded"]))
