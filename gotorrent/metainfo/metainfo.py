"""A .torrent file (BEP 3) as a value: checked once here, trusted everywhere else.

Also read: several trackers (BEP 12), web seeds (BEP 19), private (BEP 27), pad files (BEP 47), names in `name.utf-8` and
`path.utf-8`. The info-hash is the SHA-1 of the bytes of `info` as they lie in the file, never of a re-encoding.

Refused, each with a sentence: what is not bencode, what breaks a limit below, hostile paths (see `paths`), torrents that
exist in version 2 only (BEP 52); hybrids are used as version 1. A symbolic link (BEP 47) is never made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NewType

from gotorrent.errors import BencodeError, MetainfoError, ReadError
from gotorrent.metainfo import bencode, paths
from gotorrent.metainfo.layout import FileEntry, Layout
from gotorrent.metainfo.text import clean_text, clean_url, is_web_url

InfoHash = NewType("InfoHash", bytes)
"""What names a torrent everywhere: 20 bytes in version 1."""

MAX_TORRENT_SIZE = 10 * 1024 * 1024
"""Bytes of a .torrent file: room for 500 000 pieces. What is bigger is most often the content itself."""

MAX_PIECES = 500_000
"""31 TiB in pieces of 64 MiB, 7.6 TiB in pieces of 16 MiB; the bitfield of a peer stays at 62 KB."""

MAX_FILES = 200_000
"""As many as fit into a .torrent of 10 MiB with short names."""

MAX_PIECE_LENGTH = 64 * 1024 * 1024
"""A piece is held in memory until it is verified, and several are in flight."""

MAX_TRACKERS = 200
"""Announce URLs that are kept; lists of some hundreds are spam, and the rest of them is ignored."""

MAX_WEB_SEEDS = 100
"""Web seed URLs that are kept; the rest is ignored."""

MAX_DATE = 253_402_300_799
"""The last second of the year 9999, the last that calendars here can print."""


@dataclass(frozen=True)
class Metainfo:
    """All that a .torrent file says. Text is safe to print, paths are safe to write, sizes are consistent."""

    info_hash: InfoHash
    name: str
    layout: Layout
    pieces: bytes  # SHA-1 of each piece, 20 bytes each
    private: bool
    trackers: tuple[tuple[str, ...], ...]  # tiers of announce URLs (BEP 12): http, https or udp
    web_seeds: tuple[str, ...]
    source: str
    comment: str
    created_by: str
    creation_date: int | None  # seconds since 1970
    info_bytes: bytes  # the value of `info` as it lies in the file
    multi_file: bool  # the content is a folder called `name`, else one file of that name

    def piece_hash(self, piece: int) -> bytes:
        """The 20 bytes of SHA-1 that this piece must have."""
        return self.pieces[piece * 20 : piece * 20 + 20]


def load(path: str | Path) -> Metainfo:
    """Read a .torrent file. Raises ReadError when there is no reading it, MetainfoError when it is no good torrent."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TORRENT_SIZE + 1)
    except FileNotFoundError:
        raise ReadError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise ReadError(f"{path} is a folder, not a .torrent file; to make a torrent of it use -create") from None
    except PermissionError:
        raise ReadError(f"no permission to read {path}") from None
    except (OSError, ValueError) as error:
        raise ReadError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return parse(data)
    except MetainfoError as error:
        raise MetainfoError(f"{path}: {error}") from None


def parse(data: bytes) -> Metainfo:
    """The Metainfo of a whole .torrent file. Raises MetainfoError."""
    if len(data) > MAX_TORRENT_SIZE:
        raise MetainfoError(f"too big for a torrent: over {MAX_TORRENT_SIZE} bytes. Is this the content itself?")
    _check_is_torrent(data)
    try:
        top, spans = bencode.decode_spans(data, strict=False)
    except BencodeError as error:
        raise MetainfoError(f"not a torrent, or a damaged one: {error}") from None
    info = top.get(b"info")
    if not isinstance(info, dict):
        raise MetainfoError("not a torrent: it has no 'info' dictionary")
    start, end = spans[b"info"]
    info_bytes = data[start:end]
    encoding = _text(top.get(b"encoding"))
    name = _name(info, encoding)
    multi_file = b"files" in info
    layout, pieces = _layout(info, name, encoding)
    return Metainfo(
        info_hash=InfoHash(hashlib.sha1(info_bytes, usedforsecurity=False).digest()),
        name=name,
        layout=layout,
        pieces=pieces,
        private=isinstance(info.get(b"private"), int) and info[b"private"] != 0,
        trackers=_trackers(top),
        web_seeds=_web_seeds(top.get(b"url-list")),
        source=_text(info.get(b"source")),
        comment=_text(top.get(b"comment.utf-8", top.get(b"comment"))),
        created_by=_text(top.get(b"created by")),
        creation_date=_date(top.get(b"creation date")),
        info_bytes=info_bytes,
        multi_file=multi_file,
    )


def _check_is_torrent(data: bytes) -> None:
    """Raise MetainfoError with a helpful sentence for what people hand over by mistake."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise MetainfoError("the file is empty")
    if head.startswith(b"<"):
        raise MetainfoError("this is a web page, not a torrent: the download link may need a log-in")
    if head.startswith(b"magnet:"):
        raise MetainfoError("this is a magnet link, not a torrent: pass the link itself")
    if head.startswith(b"\x1f\x8b"):
        raise MetainfoError("this is compressed with gzip, not a torrent: unpack it first")
    if not data.startswith(b"d"):
        raise MetainfoError("not a torrent: a torrent is a bencoded dictionary and begins with 'd'")


def _name(info: dict[bytes, Any], encoding: str) -> str:
    """The safe name of the file or folder."""
    raw = _bytes_of(info, b"name.utf-8") or _bytes_of(info, b"name")
    if raw is None:
        raise MetainfoError("the torrent does not say its name")
    return paths.safe_path([paths.decode_name(raw, encoding)])[0]


def _layout(info: dict[bytes, Any], name: str, encoding: str) -> tuple[Layout, bytes]:
    """The layout and the piece hashes, checked against each other."""
    pieces = info.get(b"pieces")
    if pieces is None and (b"file tree" in info or info.get(b"meta version") == 2):
        raise MetainfoError("this torrent exists in BitTorrent version 2 only, which GoTorrent does not know; ask for a hybrid")
    piece_length = info.get(b"piece length")
    if not isinstance(piece_length, int) or not 1 <= piece_length <= MAX_PIECE_LENGTH:
        raise MetainfoError(f"the piece length must be 1 to {MAX_PIECE_LENGTH} bytes, this torrent says {_shown(piece_length)}")
    if not isinstance(pieces, bytes) or len(pieces) % 20:
        raise MetainfoError("the piece hashes must be a multiple of 20 bytes: the torrent is damaged")
    if (b"length" in info) == (b"files" in info):
        raise MetainfoError("a torrent has either a 'length' or a list of 'files'; this one has both or neither")
    if b"files" in info:
        files = _files(info[b"files"], name, encoding)
    else:
        files = [FileEntry((name,), _length(info.get(b"length")), 0)]
    total = sum(file.length for file in files)
    if not total:
        raise MetainfoError("this torrent holds no data: all of its files are empty")
    count = -(-total // piece_length)
    if count > MAX_PIECES:
        raise MetainfoError(f"this torrent has {count} pieces; we accept {MAX_PIECES}")
    if count != len(pieces) // 20:
        raise MetainfoError(
            f"{total} bytes make {count} pieces, but the torrent has {len(pieces) // 20} piece hashes: it is damaged"
        )
    return Layout(piece_length, files), pieces


def _files(entries: Any, name: str, encoding: str) -> list[FileEntry]:
    """The files of a multi-file torrent, in order; symbolic links are left out."""
    if not isinstance(entries, list) or not entries:
        raise MetainfoError("the list of files is empty")
    if len(entries) > MAX_FILES:
        raise MetainfoError(f"this torrent has {len(entries)} files; we accept {MAX_FILES}")
    files = []
    offset = 0
    for entry in entries:
        if not isinstance(entry, dict):
            raise MetainfoError("an entry in the list of files is not a dictionary")
        attributes = entry.get(b"attr", b"")
        attributes = attributes if isinstance(attributes, bytes) else b""
        if b"l" in attributes and not entry.get(b"length"):
            continue
        length = _length(entry.get(b"length"))
        parts = entry.get(b"path.utf-8") or entry.get(b"path")
        if not isinstance(parts, list) or not all(isinstance(part, bytes) for part in parts):
            raise MetainfoError("a file in this torrent has no path")
        path = paths.safe_path([paths.decode_name(part, encoding) for part in parts])
        files.append(FileEntry((name, *path), length, offset, b"p" in attributes))
        offset += length
    paths.check_distinct([file.path for file in files if not file.pad])
    return files


def _length(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise MetainfoError(f"a file's length must be a number of bytes, this torrent says {_shown(value)}")
    return value


def _trackers(top: dict[bytes, Any]) -> tuple[tuple[str, ...], ...]:
    """Tiers of announce URLs: `announce-list` (BEP 12), else `announce`. Each URL once, unusable ones left out."""
    tiers = top.get(b"announce-list")
    seen: set[str] = set()
    for candidates in (tiers if isinstance(tiers, list) else [], [[top.get(b"announce")]]):
        found = []
        for tier in candidates:
            urls = [_url(url) for url in (tier if isinstance(tier, list) else [tier])[:MAX_TRACKERS]]
            kept = tuple(dict.fromkeys(url for url in urls if url and url not in seen))[: MAX_TRACKERS - len(seen)]
            seen.update(kept)
            if kept:
                found.append(kept)
            if len(seen) >= MAX_TRACKERS:
                break
        if found:
            return tuple(found)
    return ()


def _web_seeds(value: Any) -> tuple[str, ...]:
    """URLs of `url-list` (BEP 19), which is one string or a list."""
    urls = [_url(url) for url in (value if isinstance(value, list) else [value])[:MAX_WEB_SEEDS]]
    return tuple(dict.fromkeys(url for url in urls if is_web_url(url)))


def _url(value: Any) -> str:
    return clean_url(value.decode(errors="replace")) if isinstance(value, bytes) else ""


def _text(value: Any) -> str:
    return clean_text(value) if isinstance(value, bytes) else ""


def _date(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= MAX_DATE else None


def _bytes_of(table: dict[bytes, Any], key: bytes) -> bytes | None:
    value = table.get(key)
    return value if isinstance(value, bytes) else None


def _shown(value: Any) -> str:
    """A wrong value for an error message: the number, or that there is none."""
    return str(value) if isinstance(value, int) else "nothing" if value is None else "something that is not a number"
