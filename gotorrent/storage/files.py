"""The content of a torrent on disk: a bounded number of open files, reads and writes by the torrent's own offsets.

No BEP rules it, but BEP 47 for pad files, which are zeros that never touch the disk. Nothing is written through a symbolic link
or outside the folder that was given. Files grow as pieces arrive (sparse where the file system can); a reader asks only for
pieces that were verified.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gotorrent import system
from gotorrent.errors import GoTorrentError, ReadError, WriteError
from gotorrent.metainfo.layout import Layout
from gotorrent.wire.bitfield import Bitfield

_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a named pipe must not wait for its other end


class _OpenFile:
    __slots__ = ("fd", "key", "leases")

    def __init__(self, key: tuple[Path, bool], fd: int) -> None:
        self.key = key
        self.fd = fd
        self.leases = 0


class FilePool:
    """At most `limit` open files, shared by all torrents.

    Each use is a counted lease, and only files that nobody leases are closed to make room: a descriptor that was closed under a
    running write would be reused, and the bytes would land in another file. A thread holds one lease at a time, so waiting for
    room cannot become a circle.
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._files: OrderedDict[tuple[Path, bool], _OpenFile] = OrderedDict()
        self._users: dict[Content, Bitfield] = {}
        self._changed = threading.Condition()

    @contextmanager
    def lease(
        self, root: Path, parts: tuple[str, ...], *, write: bool, absent: set[tuple[str, ...]] | None = None
    ) -> Iterator[int]:
        """The descriptor of `root/parts` for the length of a `with` block. OSError when it cannot be opened.

        `absent`: files that must not be there yet when they are opened to write; the opened one is taken out.
        """
        key = (root.joinpath(*parts), write)
        with self._changed:
            file = self._files.get(key)
            if file is None:
                file = self._open(key, root, parts, absent or set())
            else:
                self._files.move_to_end(key)
            file.leases += 1
        try:
            yield file.fd
        finally:
            with self._changed:
                file.leases -= 1
                if not file.leases:
                    self._changed.notify_all()

    def register(self, content: Content, have: Bitfield) -> Path | None:
        """Let a torrent use its files from now on; its missing pieces, by the live `have`, say which of them it writes.

        Returns a file that another torrent uses too and one of the two would write, and then the torrent may not go on; else None.
        """
        with self._changed:
            for other, held in self._users.items():
                if other.place == content.place and (index := _contested(content, have, other, held)) is not None:
                    return content.path(index)
            self._users[content] = have
        return None

    def unregister(self, content: Content) -> None:
        """The torrent no longer uses its files."""
        with self._changed:
            self._users.pop(content, None)

    def close(self, paths: set[Path] | None = None) -> None:
        """Close these files, or all; waits for running uses to end."""
        with self._changed:
            for key in [key for key in self._files if paths is None or key[0] in paths]:
                while (file := self._files.get(key)) and file.leases:
                    self._changed.wait()
                if file:
                    del self._files[key]
                    os.close(file.fd)

    def _open(self, key: tuple[Path, bool], root: Path, parts: tuple[str, ...], absent: set[tuple[str, ...]]) -> _OpenFile:
        while len(self._files) >= self._limit and not self._evict():
            self._changed.wait()
        if (file := self._files.get(key)) is None:
            fd = open_below(root, parts, new=parts in absent) if key[1] else _open_to_read(key[0])
            absent.discard(parts)
            file = self._files[key] = _OpenFile(key, fd)
        return file

    def _evict(self) -> bool:
        for key, file in self._files.items():
            if not file.leases:
                del self._files[key]
                os.close(file.fd)
                return True
        return False


class Content:
    """The files of one torrent below one folder. Offsets are bytes of the torrent, as `Layout` counts them."""

    def __init__(self, layout: Layout, folder: Path, pool: FilePool) -> None:
        self.layout = layout
        self.folder = folder
        self.absent: set[tuple[str, ...]] = set()  # not there when we looked: what is there when we write is somebody else's
        self._pool = pool

    @property
    def place(self) -> Path:
        """The one file or folder that holds all of it: torrents in different places share no file."""
        return self.folder.resolve().joinpath(*self.layout.files[0].path[:1])

    def path(self, index: int) -> Path:
        """Where file number `index` lies."""
        return self.folder.joinpath(*self.layout.files[index].path)

    def read_into(self, offset: int, views: Sequence[memoryview]) -> None:
        """Fill `views`, one after the other, from `offset` on. ReadError when a file is missing or too short."""
        spans = self.layout.spans(offset, sum(map(len, views)))
        if len(spans) == 1:
            self._read(spans[0], views)
            return
        rest = list(views)
        for span in spans:
            taken, need = [], span[2]
            while need:
                view = rest.pop(0)
                if len(view) > need:
                    rest.insert(0, view[need:])
                    view = view[:need]
                taken.append(view)
                need -= len(view)
            self._read(span, taken)

    def write(self, offset: int, data: memoryview) -> None:
        """Write `data` at `offset`, creating files and folders on the way. WriteError, in words, when the disk refuses."""
        at = 0
        for index, inside, length in self.layout.spans(offset, len(data)):
            file = self.layout.files[index]
            if not file.pad:
                try:
                    with self._pool.lease(self.folder, file.path, write=True, absent=self.absent) as fd:
                        system.write_all(fd, data[at : at + length], inside)
                except OSError as error:
                    raise write_error(error, self.path(index)) from error
            at += length

    def create_empty_files(self) -> None:
        """Files of length 0 belong to no piece, so nothing else would ever make them."""
        for index, file in enumerate(self.layout.files):
            if not file.length and not file.pad and not self.path(index).exists():
                try:
                    os.close(open_below(self.folder, file.path))
                    self.absent.discard(file.path)
                except OSError as error:
                    raise write_error(error, self.path(index)) from error

    def register(self, have: Bitfield) -> None:
        """Use the files from now on, until `close`. WriteError when another torrent of this client is in the way."""
        contested = self._pool.register(self, have)
        if contested:
            raise WriteError(f"{contested} belongs to another torrent of this client too: use another -dir for one of them")

    def probe(self, index: int) -> None:
        """ReadError when file number `index` cannot be opened."""
        path = self.path(index)
        try:
            os.close(_open_to_read(path))
        except OSError as error:
            raise read_error(error, path) from error

    def cut_to_size(self) -> None:
        """Shorten files that are longer than the torrent declares: the person said -force."""
        for index, file in enumerate(self.layout.files):
            path = self.path(index)
            if not file.pad and path.is_file() and path.stat().st_size > file.length:
                try:
                    with self._pool.lease(self.folder, file.path, write=True) as fd:
                        os.truncate(fd, file.length)
                except OSError as error:
                    raise write_error(error, path) from error

    def close(self) -> None:
        """Close this torrent's files; the next read or write opens them again."""
        self._pool.close({self.path(index) for index in range(len(self.layout.files))})
        self._pool.unregister(self)

    def _read(self, span: tuple[int, int, int], views: Sequence[memoryview]) -> None:
        index, inside, length = span
        file = self.layout.files[index]
        if file.pad:
            for view in views:
                view[:] = bytes(len(view))
            return
        try:
            with self._pool.lease(self.folder, file.path, write=False) as fd:
                done = system.read_run(fd, views, inside)
        except OSError as error:
            raise read_error(error, self.path(index)) from error
        if done != length:
            raise ReadError(f"{self.path(index)} became shorter while it was in use: something else has changed it")


def _contested(one: Content, have: Bitfield, other: Content, held: Bitfield) -> int | None:
    """The first file of `one` that `other` uses too and one of them writes."""
    theirs = {file.path: index for index, file in enumerate(other.layout.files) if not file.pad}
    for index, file in enumerate(one.layout.files):
        match = theirs.get(file.path)
        if match is not None and (_writes(one, have, index) or _writes(other, held, match)):
            return index
    return None


def _writes(content: Content, have: Bitfield, index: int) -> bool:
    return any(piece not in have for piece in content.layout.pieces_of(index))


def open_below(root: Path, parts: tuple[str, ...], *, new: bool = False) -> int:
    """Open `root/parts` to read and write, creating it and its folders. OSError; never goes through a symbolic link.

    A `new` file must not be there yet.

    Each step is taken from the folder before it, so that nobody can put a link in between. Where the system cannot do that, each
    step is looked at before it is taken.
    """
    root.mkdir(parents=True, exist_ok=True)
    if os.open not in os.supports_dir_fd or not _NOFOLLOW:
        return _open_below_portable(root, parts, os.O_EXCL if new else 0)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | _BINARY)
    try:
        for part in parts[:-1]:
            try:
                os.mkdir(part, dir_fd=folder)
            except FileExistsError:
                pass
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NOFOLLOW | _BINARY, dir_fd=folder)
            os.close(folder)
            folder = below
        flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if new else 0) | _NOFOLLOW | _NONBLOCK | _BINARY
        return _regular(os.open(parts[-1], flags, 0o666, dir_fd=folder), root.joinpath(*parts))
    finally:
        os.close(folder)


def _open_below_portable(root: Path, parts: tuple[str, ...], exclusive: int) -> int:
    path = root
    for part in parts[:-1]:
        path = path / part
        path.mkdir(exist_ok=True)
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    path = path / parts[-1]
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return _regular(os.open(path, os.O_RDWR | os.O_CREAT | exclusive | _BINARY, 0o666), path)


def _open_to_read(path: Path) -> int:
    return _regular(os.open(path, os.O_RDONLY | _NONBLOCK | _BINARY), path)


def _regular(fd: int, path: Path) -> int:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return fd


def write_error(error: OSError, path: Path) -> GoTorrentError:
    """What a refused write means for the person."""
    if error.errno == errno.ENOSPC:
        return WriteError(f"the disk that holds {path.parent} is full: make room, then start again; nothing verified is lost")
    if error.errno == errno.EEXIST:
        return WriteError(f"cannot write {path}: something that is not ours is in the way; use another -dir, or move it")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return WriteError(f"cannot write {path}: a part of that path is a symbolic link or a file; use another -dir")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return WriteError(f"cannot write {path}: {error.strerror}; use another -dir, or change who may write there")
    return WriteError(f"cannot write {path}: {error.strerror or error}")


def read_error(error: OSError, path: Path) -> GoTorrentError:
    """What a refused read means for the person."""
    if error.errno == errno.ENOENT:
        return ReadError(f"{path} has vanished: put it back, or start the torrent again to fetch it anew")
    return ReadError(f"cannot read {path}: {error.strerror or error}")
