"""SHA-1 of every piece of files on disk, on several threads (BEP 3).

The files are read in bulk into one buffer per thread and hashed out of it: reading and hashing both let other threads run, and
Python does almost nothing per piece. Nothing is written. A file that is shorter than expected is an error.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from io import FileIO

from gotorrent.errors import ReadError
from gotorrent.metainfo.layout import Layout

BUFFER = 256 * 1024
"""Bytes that a thread reads at a time: large enough to make system calls cheap, small enough to stay in its processor's cache."""

RUN = 4 * 1024 * 1024
"""Bytes that a thread takes at a time: a disk reads them in one go, and no thread has much more to do than another at the end."""

PROGRESS_INTERVAL = 0.1
"""Seconds between two reports of progress."""

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def hash_pieces(layout: Layout, files: Sequence[str], threads: int = 0, progress: Progress | None = None) -> bytes:
    """The 20 bytes of every piece, in order. `files` are the paths on disk of `layout.files`; 0 threads is one per processor.

    `progress` is called in the calling thread, ten times a second and at the end. Raises ReadError naming the file that cannot
    be read or has become shorter.
    """
    hasher = _Hasher(layout, files)
    workers = [
        threading.Thread(target=hasher.work, name=f"hash-{number}")
        for number in range(min(threads or os.cpu_count() or 1, hasher.runs))
    ]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():
                worker.join(PROGRESS_INTERVAL)
                if progress:
                    progress(hasher.done, layout.total)
    finally:
        hasher.stopping = True
        for worker in workers:
            if worker.ident:
                worker.join()
    if hasher.error:
        raise hasher.error
    if progress:
        progress(layout.total, layout.total)
    return bytes(hasher.digests)


class _Hasher:
    """What the threads of one `hash_pieces` share."""

    def __init__(self, layout: Layout, files: Sequence[str]) -> None:
        self.layout = layout
        self.files = files
        self.pieces_per_run = max(1, RUN // layout.piece_length)
        self.runs = -(-layout.piece_count // self.pieces_per_run)
        self.digests = bytearray(20 * layout.piece_count)
        self.done = 0  # bytes hashed
        self.stopping = False
        self.error: Exception | None = None
        self._next_run = 0
        self._lock = threading.Lock()  # guards `done`, `error` and `_next_run`

    def work(self) -> None:
        """Hash runs of pieces until there are none left, or one thread has met an error."""
        reader = _Reader(self.layout, self.files)
        buffer = memoryview(bytearray(BUFFER))
        try:
            while not self.stopping:
                with self._lock:
                    first = self._next_run * self.pieces_per_run
                    self._next_run += 1
                if first >= self.layout.piece_count:
                    return
                self._hash_run(first, min(first + self.pieces_per_run, self.layout.piece_count), reader, buffer)
        except Exception as error:  # carried to the thread that called hash_pieces
            with self._lock:
                self.error = self.error or error
            self.stopping = True
        finally:
            reader.close()

    def _hash_run(self, first: int, end: int, reader: _Reader, buffer: memoryview) -> None:
        """Hash the pieces `first` to `end` - 1, several per read when they are small, in several reads when they are large."""
        layout = self.layout
        size = layout.piece_length
        step = max(1, BUFFER // size)
        for piece in range(first, end, step):
            offset = layout.piece_offset(piece)
            last = min(piece + step, end) - 1
            length = layout.offset(last, layout.piece_size(last)) - offset
            if length <= BUFFER:
                view = buffer[:length]
                reader.read_into(view, offset)
                hashes = b"".join(
                    hashlib.sha1(view[at : at + size], usedforsecurity=False).digest() for at in range(0, length, size)
                )
            else:
                whole = hashlib.sha1(usedforsecurity=False)
                for at in range(0, length, BUFFER):
                    view = buffer[: length - at]
                    reader.read_into(view, offset + at)
                    whole.update(view)
                hashes = whole.digest()
            self.digests[piece * 20 : piece * 20 + len(hashes)] = hashes
            with self._lock:
                self.done += length


class _Reader:
    """Reads any bytes of a torrent from its files, keeping the file of the last read open."""

    def __init__(self, layout: Layout, files: Sequence[str]) -> None:
        self._layout = layout
        self._files = files
        self._index = -1
        self._file: FileIO | None = None

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes of the torrent from `offset` on."""
        filled = 0
        for index, inside, length in self._layout.spans(offset, len(view)):
            try:
                file = self._open(index)
                file.seek(inside)
                end = filled + length
                while filled < end:
                    count = file.readinto(view[filled:end])
                    if not count:
                        raise ReadError(
                            f"{self._files[index]} has become shorter while it was read: try again when nobody writes to it"
                        )
                    filled += count
            except OSError as error:
                raise ReadError(f"cannot read {self._files[index]}: {error.strerror}") from None

    def _open(self, index: int) -> FileIO:
        if self._file is None or index != self._index:
            self.close()
            self._file = FileIO(self._files[index])
            self._index = index
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
