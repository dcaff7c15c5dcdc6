r"""Names from a .torrent file to relative paths that are safe to write. BEP 3 says only that a path is a list of names.

A name comes from a stranger. What is done with it, here and nowhere else:

- `..`, also when it only appears once invisible characters are gone: refused, it climbs.
- Empty, `.`: left out; refused when no name remains.
- `/`, `\`, NUL (so `/etc/passwd` and `..\x` name a file, not a place), control characters, line separators: each becomes `_`.
- Characters that reverse text or cannot be seen (bidi marks, zero-width space, BOM): left out. The two joiners stay: Persian,
  Indic scripts and emoji need them.
- Bytes that are not UTF-8: read in the encoding that the torrent declares, if we know it; else each becomes `_`.
- More than 255 bytes: cut, keeping the extension.
- On Windows only: `<>:"|?*` become `_`, a device name (`CON`, `lpt1.txt`) gets a `_` before it, dots and spaces at the end go.
- More than 100 names in one path: refused.
- Two files on one path, also when only case or Unicode form differ, or a file that is another one's folder: refused, because a
  file system may take them for one and data would be lost.

Nothing here looks at the disk.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from gotorrent.errors import MetainfoError

MAX_PART = 255
"""Bytes of one name: the limit of Linux file systems, and not less than that of Windows and macOS."""

MAX_DEPTH = 100
"""Names in one path: deeper than any folder that people share."""

_MAX_EXTENSION = 32
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)")
_INVISIBLE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_UNSAFE = re.compile("[\x00-\x1f/\\\\\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffd]")
_UNSAFE_ON_WINDOWS = re.compile('[<>:"|?*]')
_EAST_ASIAN = ("big5", "cp932", "cp936", "cp949", "euc-jp", "euc-kr", "gb18030", "gb2312", "gbk", "shift-jis")
_EUROPEAN = ("cp1250", "cp1251", "cp1252", "iso-8859-1", "koi8-r", "latin-1")
_ENCODINGS = frozenset((*_EAST_ASIAN, *_EUROPEAN))
"""Encodings that old torrents declare. A list, because Python would look up, import and run a codec of any name."""


def decode_name(raw: bytes, encoding: str = "") -> str:
    """Text of a name: UTF-8, else the torrent's declared `encoding`, else with U+FFFD for bad bytes. Never fails."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        declared = encoding.lower().replace("_", "-")
        return raw.decode(declared if declared in _ENCODINGS else "utf-8", "replace")


def safe_part(name: str, *, windows: bool = os.name == "nt") -> str:
    """One safe name, or "" when nothing of it may stay. Raises MetainfoError for a name that climbs."""
    name = _UNSAFE.sub("_", _INVISIBLE.sub("", name))
    if len(name) * 4 > MAX_PART:
        name = _cut(name)
    if name == "..":
        raise MetainfoError("a file name in this torrent is '..', which leads out of the download folder: do not use this torrent")
    if windows:
        name = _UNSAFE_ON_WINDOWS.sub("_", name).rstrip(". ")
        if _DEVICE.match(name):
            name = _cut("_" + name)
    return "" if name == "." else name


def safe_path(parts: Iterable[str], *, windows: bool = os.name == "nt") -> tuple[str, ...]:
    """A safe relative path of 1 to 100 names. Raises MetainfoError when it climbs, is empty or too deep."""
    path = tuple([safe for part in parts if (safe := safe_part(part, windows=windows))])
    if not path:
        raise MetainfoError("a file in this torrent has no name")
    if len(path) > MAX_DEPTH:
        raise MetainfoError(f"a file in this torrent lies {len(path)} folders deep; we accept {MAX_DEPTH}")
    return path


def check_distinct(paths: Iterable[tuple[str, ...]]) -> None:
    """Raise MetainfoError when two of these paths could be one file, or one a folder of another, on some file system."""
    ordered = sorted((_fold("\0".join(path)), path) for path in paths)
    for (key, path), (next_key, next_path) in pairwise(ordered):
        if key == next_key:
            raise MetainfoError(
                f"two files of this torrent are called {'/'.join(path)!r} and {'/'.join(next_path)!r}: "
                "some systems would store them as one"
            )
        if next_key.startswith(key + "\0"):  # NUL sorts first, so what lies in a folder comes right after it
            raise MetainfoError(f"{'/'.join(path)!r} is both a file and a folder in this torrent")


def _fold(path: str) -> str:
    """What a file system that ignores case and Unicode form compares."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _cut(name: str) -> str:
    """`name` in at most 255 bytes of UTF-8, with its extension."""
    raw = name.encode()
    if len(raw) <= MAX_PART:
        return name
    stem, dot, extension = name.rpartition(".")
    suffix = (dot + extension).encode() if stem else b""
    if len(suffix) > _MAX_EXTENSION:
        suffix = b""
    return raw[: MAX_PART - len(suffix)].decode(errors="ignore") + suffix.decode()
