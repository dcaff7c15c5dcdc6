"""A file or folder to a .torrent (BEP 3; BEP 12 tracker tiers, BEP 19 web seeds, BEP 27 private).

The same content and options give the same bytes, apart from the date, which can be left out: files are sorted by the bytes of
their paths, hidden ones included. What cannot be read is an error that names it. Symbolic links inside the folder are not
followed, because they may lead to what nobody meant to share, and sockets, pipes and devices are not read: both are reported as
skipped. A name that our own reader would change (see `paths`) is refused, because then nobody could seed the result.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gotorrent
from gotorrent.errors import MetainfoError, ReadError, UsageError, WriteError
from gotorrent.metainfo import bencode, paths
from gotorrent.metainfo.hasher import Progress, hash_pieces
from gotorrent.metainfo.layout import BLOCK, FileEntry, Layout
from gotorrent.metainfo.metainfo import MAX_FILES, MAX_PIECES, Metainfo, parse
from gotorrent.metainfo.text import clean_url, is_web_url

MIN_PIECE_SIZE = BLOCK
"""One block: below that a request could not be 16 KiB."""

MAX_PIECE_SIZE = 16 * 1024 * 1024
"""What older clients still load."""

TARGET_PIECES = 2000
"""The automatic piece size is the smallest that gives at most so many pieces: small pieces spread sooner, few make a small file."""


@dataclass(frozen=True)
class CreateOptions:
    """What to write beside the content. `piece_size` in bytes, 0 = automatic; `date` in seconds since 1970, None = no date."""

    trackers: tuple[tuple[str, ...], ...] = ()  # tiers (BEP 12)
    piece_size: int = 0
    private: bool = False
    comment: str = ""
    source: str = ""
    web_seeds: tuple[str, ...] = ()
    date: int | None = None
    hash_threads: int = 0  # 0 = one per processor


@dataclass(frozen=True)
class Created:
    """A new torrent: the bytes of the .torrent file, what they say, and what of the folder is not in it, with the reason."""

    data: bytes
    metainfo: Metainfo
    skipped: tuple[tuple[Path, str], ...]


@dataclass(frozen=True)
class _Found:
    """A file on disk, as it was when it was listed."""

    path: str
    parts: tuple[str, ...]  # below the source
    size: int
    modified: int  # nanoseconds


def create(source: Path, options: CreateOptions, progress: Progress | None = None) -> Created:
    """Hash `source` and describe it. `progress` is called with bytes done and in all, in this thread.

    Raises UsageError for options or content that make no torrent, ReadError naming what is missing, unreadable or changing.
    """
    _check_options(options)
    root = source.absolute()
    if root.name in ("", ".."):
        root = root.resolve()
    name = root.name
    if not name:
        raise UsageError(f"{root} has no name that a torrent could have: name a folder inside it")
    found, skipped, is_folder = _list(root)
    total = sum(file.size for file in found)
    if not total:
        what = "the folder holds no file with content" if is_folder else "the file is empty"
        raise UsageError(f"there is nothing to share in {source}: {what}")
    _check_names(name, found)
    piece_size = options.piece_size or automatic_piece_size(total)
    layout = _layout(name, found, piece_size, is_folder)
    if layout.piece_count > MAX_PIECES:
        raise UsageError(f"{layout.piece_count} pieces are too many, {MAX_PIECES} is the most: use a larger -piece-size")
    pieces = hash_pieces(layout, [file.path for file in found], options.hash_threads, progress)
    _check_unchanged(found)
    data = bencode.encode(_document(name, layout, pieces, options, is_folder))
    try:
        return Created(data, parse(data), tuple(skipped))
    except MetainfoError as error:
        raise UsageError(f"cannot make a torrent of {source}: {error}") from None


def automatic_piece_size(total: int) -> int:
    """The smallest power of two from 16 KiB to 16 MiB that makes at most 2 000 pieces of `total` bytes."""
    size = MIN_PIECE_SIZE
    while size < MAX_PIECE_SIZE and total > size * TARGET_PIECES:
        size *= 2
    return size


def _check_options(options: CreateOptions) -> None:
    size = options.piece_size
    if size and (size & (size - 1) or not MIN_PIECE_SIZE <= size <= MAX_PIECE_SIZE):
        raise UsageError(f"the piece size must be a power of two from 16K to 16M, not {size} bytes")
    for url in (url for tier in options.trackers for url in tier):
        if not clean_url(url):
            raise UsageError(f"{url!r} is no tracker URL: it should begin with http://, https:// or udp://")
    for url in options.web_seeds:
        if not is_web_url(clean_url(url)):
            raise UsageError(f"{url!r} is no web seed URL: it should begin with http:// or https://")


def _list(root: Path) -> tuple[list[_Found], list[tuple[Path, str]], bool]:
    """The files to share in their order, what is skipped, and whether `root` is a folder."""
    found: list[_Found] = []
    skipped: list[tuple[Path, str]] = []
    try:
        status = root.stat()
        if stat.S_ISREG(status.st_mode):
            _check_readable(str(root))
            return [_Found(str(root), (), status.st_size, status.st_mtime_ns)], [], False
        if not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{root} is neither a file nor a folder")
        folders: list[tuple[str, tuple[str, ...]]] = [(str(root), ())]
        while folders:
            folder, above = folders.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    parts = (*above, entry.name)
                    if entry.is_symlink():
                        skipped.append((Path(entry.path), "a symbolic link"))
                    elif entry.is_dir():
                        folders.append((entry.path, parts))
                    elif entry.is_file():
                        _check_readable(entry.path)
                        status = entry.stat()
                        found.append(_Found(entry.path, parts, status.st_size, status.st_mtime_ns))
                    else:
                        skipped.append((Path(entry.path), "not a file: a socket, pipe or device"))
            if len(found) > MAX_FILES:
                raise UsageError(f"{root} holds more than {MAX_FILES} files, the most a torrent may have here")
    except FileNotFoundError as error:
        raise ReadError(f"no such file or folder: {error.filename}") from None
    except OSError as error:
        raise ReadError(f"cannot read {error.filename}: {error.strerror}") from None
    found.sort(key=lambda file: os.fsencode("/".join(file.parts)))
    return found, sorted(skipped), True


def _check_readable(path: str) -> None:
    if not os.access(path, os.R_OK):
        raise ReadError(f"no permission to read {path}: allow it, or move it out of the folder")


def _check_names(name: str, found: list[_Found]) -> None:
    """Refuse, before hours of hashing, the names that every reader would refuse or change."""
    try:
        for file in found:
            parts = (name, *file.parts)
            if paths.safe_path(parts) != parts:
                raise UsageError(f"other systems cannot store the name {'/'.join(parts)!r}: rename it")
        paths.check_distinct([file.parts for file in found])
    except MetainfoError as error:
        raise UsageError(f"cannot make a torrent of {name!r}: {error}") from None


def _layout(name: str, found: list[_Found], piece_size: int, is_folder: bool) -> Layout:
    files = []
    offset = 0
    for file in found:
        files.append(FileEntry((name, *file.parts) if is_folder else (name,), file.size, offset))
        offset += file.size
    return Layout(piece_size, files)


def _check_unchanged(found: list[_Found]) -> None:
    """Raise ReadError when a file is not what it was when it was listed: its hashes would fit nothing."""
    for file in found:
        try:
            status = Path(file.path).stat()
        except OSError as error:
            raise ReadError(f"cannot read {file.path}: {error.strerror}") from None
        if (status.st_size, status.st_mtime_ns) != (file.size, file.modified):
            raise ReadError(f"{file.path} has changed while it was hashed: try again when nobody writes to it")


def _document(name: str, layout: Layout, pieces: bytes, options: CreateOptions, is_folder: bool) -> dict[str, Any]:
    """The dictionary that becomes the .torrent file."""
    info: dict[str, Any] = {"name": name, "piece length": layout.piece_length, "pieces": pieces}
    if is_folder:
        info["files"] = [{"length": file.length, "path": list(file.path[1:])} for file in layout.files]
    else:
        info["length"] = layout.total
    if options.private:
        info["private"] = 1
    if options.source:
        info["source"] = options.source
    top: dict[str, Any] = {"created by": f"GoTorrent {gotorrent.__version__}", "encoding": "UTF-8", "info": info}
    trackers = [[clean_url(url) for url in tier] for tier in options.trackers if tier]
    if trackers:
        top["announce"] = trackers[0][0]
    if sum(map(len, trackers)) > 1:
        top["announce-list"] = trackers
    if options.comment:
        top["comment"] = options.comment
    if options.date is not None:
        top["creation date"] = options.date
    if options.web_seeds:
        top["url-list"] = [clean_url(url) for url in options.web_seeds]
    return top


def check_target(target: Path, force: bool = False) -> None:
    """Raise WriteError when `write_torrent` could not write here: worth asking before hours of hashing."""
    if target.is_dir():
        raise WriteError(f"{target} is a folder: name a file with -o")
    if os.path.lexists(target) and not force:
        raise WriteError(f"{target} already exists: name another file with -o, or replace it with -force")
    if not target.parent.is_dir():
        raise WriteError(f"there is no folder {target.parent} to write {target.name} into")
    if not os.access(target.parent, os.W_OK):
        raise WriteError(f"no permission to write into {target.parent}: name another place with -o")


def write_torrent(data: bytes, target: Path, force: bool = False) -> None:
    """Write `target` whole or not at all, and never over an existing file unless `force`. Raises WriteError.

    The bytes go to a temporary file beside it, which then gets the name in one step that fails when the name is taken.
    """
    check_target(target, force)
    temporary = target.parent / f".gotorrent-{os.urandom(8).hex()}.tmp"
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _give_name(temporary, target, force)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise WriteError(f"{target} already exists: name another file with -o, or replace it with -force") from None
    except OSError as error:
        raise WriteError(f"cannot write {target}: {error.strerror}") from None


def _give_name(temporary: Path, target: Path, force: bool) -> None:
    """Rename, refusing to replace unless `force`; FileExistsError then."""
    if force:
        temporary.replace(target)
        return
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: claim the name with an empty file, then replace that
        target.touch(exist_ok=False)
        try:
            temporary.replace(target)
        except BaseException:
            target.unlink()
            raise
