"""Is it right? Hashing pieces, and judging what was on disk before us (BEP 3, "pieces").

`piece_matches` is the one place that compares content with its SHA-1. `inspect` looks at sizes, `check_pieces` hashes with a
few threads, `judge` decides whose data it is: it refuses to let a torrent write into a file that may be somebody else's.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gotorrent.errors import GoTorrentError, ReadError, WriteError
from gotorrent.metainfo.layout import Layout
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.storage.files import Content, read_error
from gotorrent.wire.bitfield import Bitfield


def piece_matches(metainfo: Metainfo, piece: int, data: bytes | bytearray | memoryview) -> bool:
    """Whether `data`, the whole piece, is what the torrent says it is."""
    return hashlib.sha1(data, usedforsecurity=False).digest() == metainfo.piece_hash(piece)


@dataclass(frozen=True)
class FileStat:
    """What a file on disk looks like: bytes, and when it was last changed (ns)."""

    size: int
    mtime_ns: int


def inspect(content: Content) -> list[FileStat | None]:
    """The state of each file of the torrent, None where there is none (and for pad files). ReadError, WriteError.

    WriteError also for what is in the way: a folder where a file should be, or the other way round.
    """
    found: list[FileStat | None] = []
    for index, file in enumerate(content.layout.files):
        path = content.path(index)
        try:
            info = None if file.pad else path.stat()
        except FileNotFoundError:
            info = None
        except NotADirectoryError:
            culprit = next((above for above in reversed(path.parents) if above.exists() and not above.is_dir()), path.parent)
            raise WriteError(f"{culprit} is in the way: the torrent needs a folder there; use another -dir, or move it") from None
        except OSError as error:
            raise read_error(error, path) from error
        if info is not None and not stat.S_ISREG(info.st_mode):
            raise WriteError(f"{path} is in the way: it is not a regular file; use another -dir, or move it")
        found.append(None if info is None else FileStat(info.st_size, info.st_mtime_ns))
    return found


def complete_pieces(layout: Layout, found: list[FileStat | None]) -> list[int]:
    """The pieces all of whose bytes lie inside the files that were found: the ones worth hashing."""
    short = [
        not file.pad and bool(file.length) and (stat_ is None or stat_.size < file.length)
        for file, stat_ in zip(layout.files, found, strict=True)
    ]
    out: list[int] = []
    for piece in range(layout.piece_count):
        for index, inside, length in layout.spans(layout.piece_offset(piece), layout.piece_size(piece)):
            stat_ = found[index]
            if short[index] and (stat_ is None or stat_.size < inside + length):
                break
        else:
            out.append(piece)
    return out


def check_pieces(
    metainfo: Metainfo,
    content: Content,
    pieces: Iterable[int],
    progress: Callable[[int], None],
    stop: threading.Event,
    threads: int = 0,
) -> list[int]:
    """Hash `pieces` from disk; those that match, in ascending order. `progress(bytes)` is told of each piece hashed.

    Returns early, with what it has, when `stop` is set. An unreadable piece does not match. `threads` 0 means one per processor.
    """
    todo, lock, good = iter(pieces), threading.Lock(), []
    layout = content.layout

    def work() -> None:
        buffer = bytearray(layout.piece_length)
        while not stop.is_set():
            with lock:
                piece = next(todo, None)
            if piece is None:
                return
            view = memoryview(buffer)[: layout.piece_size(piece)]
            try:
                content.read_into(layout.piece_offset(piece), [view])
                if piece_matches(metainfo, piece, view):
                    good.append(piece)
            except ReadError:
                pass
            progress(len(view))

    helpers = [threading.Thread(target=work, name="check") for _ in range((threads or os.cpu_count() or 1) - 1)]
    for helper in helpers:
        helper.start()
    try:
        work()
    finally:
        for helper in helpers:
            helper.join()
    return sorted(good)


def judge(metainfo: Metainfo, content: Content, found: list[FileStat | None], have: Bitfield, made: set[int]) -> None:
    """WriteError when downloading would write into a file that may not be ours; ReadError when that file cannot be read.

    A file is adopted when we made it (`made`: indices of files, from the manifest) or when a piece that reaches into it verifies.
    It is refused when nothing in it verifies, and always when it is longer than the torrent declares.
    """
    for index, (file, stat_) in enumerate(zip(content.layout.files, found, strict=True)):
        if stat_ is None or not stat_.size:
            continue
        if stat_.size > file.length:
            raise _foreign(content.path(index), f"is {stat_.size - file.length} bytes longer than in {metainfo.name}")
        if index not in made and not any(piece in have for piece in content.layout.pieces_of(index)):
            content.probe(index)
            raise _foreign(content.path(index), "is there already and matches the torrent nowhere")


def _foreign(path: Path, what: str) -> GoTorrentError:
    return WriteError(f"{path} {what}: it may be something else; nothing was written. Use another -dir, or -force to overwrite it")
