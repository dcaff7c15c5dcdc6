"""Small torrents whose bytes are known, for tests of storage and of the session."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import bencodepy

from gotorrent.metainfo.metainfo import Metainfo, parse
from gotorrent.storage.files import Content, FilePool

PIECE = 16384

Files = Sequence[tuple[str, int]]
"""Path below the torrent's folder, and bytes; a path that begins with ".pad/" is a pad file (BEP 47)."""


def make_bytes(size: int, seed: object = 0) -> bytes:
    """The same random bytes in every run."""
    return random.Random(repr(seed)).randbytes(size)


def single(name: str, data: bytes, *, piece: int = PIECE, trackers: Sequence[str] = ()) -> Metainfo:
    """A torrent of one file."""
    return _metainfo({b"name": name.encode(), b"length": len(data)}, data, piece, trackers)


def folder(
    name: str, files: Files, *, piece: int = PIECE, seed: object = 0, trackers: Sequence[str] = ()
) -> tuple[Metainfo, dict[str, bytes]]:
    """A torrent of several files, and what each of them holds (without the pad files)."""
    parts, entries, whole = {}, [], b""
    for path, size in files:
        pad = path.startswith(".pad/")
        data = bytes(size) if pad else make_bytes(size, (seed, path))
        entries.append({b"length": size, b"path": [p.encode() for p in path.split("/")], **({b"attr": b"p"} if pad else {})})
        whole += data
        if not pad:
            parts[path] = data
    return _metainfo({b"name": name.encode(), b"files": entries}, whole, piece, trackers), parts


def put(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below `root`."""
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """Every file below `root` and what it holds."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def content_of(metainfo: Metainfo, root: Path, limit: int = 8) -> Content:
    """The content of a torrent below `root`, with a pool of its own."""
    return Content(metainfo.layout, root, FilePool(limit))


def _metainfo(info: dict[bytes, object], data: bytes, piece: int, trackers: Sequence[str]) -> Metainfo:
    hashes = b"".join(hashlib.sha1(data[at : at + piece]).digest() for at in range(0, len(data), piece))
    top: dict[bytes, object] = {b"info": {**info, b"piece length": piece, b"pieces": hashes}}
    if trackers:
        top[b"announce-list"] = [[url.encode()] for url in trackers]
    return parse(bencodepy.encode(top))
