"""Which torrents and which people a tracker serves: allow and deny lists, and passkeys, all in plain files. No BEP rules it.

A list has one info-hash a line, 40 hex digits, and comments after `#`. A file of keys has one person a line: the SHA-256 of the
key, the day it was made, a name; the key itself is shown once and kept nowhere, so that a backup of the file lets nobody in. It
has 128 random bits, which need no slow hash. A key is found by its hash: how long that takes tells nothing about the keys.

Files are read again when they change. One with a broken line is refused, with the number of the line, and what was read before
stays in force. What is said about a key names its person and never the key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gotorrent.errors import ConfigError, UsageError, WriteError
from gotorrent.metainfo.metainfo import InfoHash
from gotorrent.system import write_atomically

MAX_FILE = 64 * 1024 * 1024  # bytes; a million and a half info-hashes
KEY_DIGITS = 32  # hex digits of a passkey: 128 random bits
MAX_NAME = 64  # characters of a person's name

_HASH = re.compile(rb"[0-9A-Fa-f]{40}")
_T = TypeVar("_T")


class WatchedFile(Generic[_T]):
    """The value read from a file, kept up to date by `refresh`; `value` is replaced whole, so it may be used without a lock."""

    def __init__(self, path: Path, read: Callable[[Path], _T]) -> None:
        """Raises `ConfigError` when the file cannot be read or is broken: a tracker must not start without its rules."""
        self.path = path
        self._read = read
        self._stamp = _stamp(path)
        self.value = read(path)

    def refresh(self, force: bool = False) -> bool:
        """Read the file again if it has changed since the last try, or in any case; True when it was read.

        Raises `ConfigError`, once for each change, when it is broken or gone: the old value stays.
        """
        stamp = _stamp(self.path)
        if stamp == self._stamp and not force:
            return False
        self._stamp = stamp
        self.value = self._read(self.path)
        return True


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes whenever the file does."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read_hashes(path: Path) -> frozenset[InfoHash]:
    """The info-hashes of a list file. Raises `ConfigError` with the number of the first broken line."""
    found = set()
    for number, line in enumerate(_lines(path), 1):
        text = line.partition(b"#")[0].strip()
        if not text:
            continue
        if not _HASH.fullmatch(text):
            shown = text[:50].decode(errors="replace")
            raise ConfigError(f"{path} line {number}: {shown!r} is no info-hash: 40 hex digits, and comments after #")
        found.add(InfoHash(bytes.fromhex(text.decode())))
    return frozenset(found)


def _lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise ConfigError(f"{path} is longer than {MAX_FILE // 1024**2} MiB")
    return data.removeprefix(b"\xef\xbb\xbf").splitlines()


@dataclass(frozen=True)
class Person:
    """Who holds a passkey. `digest` is the SHA-256 of the key in hex, `made` a date like 2026-11-23."""

    digest: str
    made: str
    name: str


def read_keys(path: Path) -> dict[str, Person]:
    """The people of a file of keys by the digest of their key. Raises `ConfigError` with the number of the first broken line."""
    if not path.exists():
        raise ConfigError(f"there is no file {path} of passkeys yet: tracker.py -passkey add NAME makes it")
    people: dict[str, Person] = {}
    for number, line in enumerate(_lines(path), 1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError:
            raise ConfigError(f"{path} line {number}: not UTF-8 text") from None
        if not text or text.startswith("#"):
            continue
        digest, _, rest = text.partition(" ")
        made, _, name = rest.partition(" ")
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef") or not made or not name:
            raise ConfigError(
                f"{path} line {number}: a key is a line of digest, date and name, as tracker.py -passkey add writes it"
            )
        people[digest] = Person(digest, made, name)
    return people


def key_digest(key: bytes) -> str:
    """What is kept of a passkey."""
    return hashlib.sha256(key).hexdigest()


def add_key(path: Path, name: str, today: str) -> str:
    """Make a passkey for `name`, keep its digest in the file (which need not exist), and return it: the only time it is seen.

    Raises `UsageError` for a name that is taken or no name, `ConfigError`, `WriteError`.
    """
    if not name.strip() or name != name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(f"a name for a passkey has 1 to {MAX_NAME} printable characters, no blanks around it")
    people = read_keys(path) if path.exists() else {}
    if any(person.name == name for person in people.values()):
        raise UsageError(f"{name} has a passkey already: revoke it first, or choose another name")
    key = secrets.token_hex(KEY_DIGITS // 2)
    _write_keys(path, [*people.values(), Person(key_digest(key.encode()), today, name)])
    return key


def revoke_key(path: Path, key_or_name: str) -> Person:
    """Take a passkey out of the file, named by itself or by its holder. Raises `UsageError` when there is none, `WriteError`."""
    people = read_keys(path)
    wanted = people.get(key_digest(key_or_name.encode(errors="surrogateescape"))) or next(
        (one for one in people.values() if one.name == key_or_name), None
    )
    if wanted is None:
        raise UsageError("there is no such passkey, nor anybody of that name; -passkey list shows all names")
    _write_keys(path, [person for person in people.values() if person != wanted])
    return wanted


def _write_keys(path: Path, people: list[Person]) -> None:
    lines = ["# Passkeys of a GoTorrent tracker: SHA-256 of the key, day, name. Change it with tracker.py -passkey."]
    lines += [f"{person.digest} {person.made} {person.name}" for person in people]
    try:
        write_atomically(path, "\n".join([*lines, ""]).encode())
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}") from None


class Access:
    """The rules of one tracker. `""` for a file means that there is no such rule."""

    def __init__(self, allow_file: str, deny_file: str, passkey_file: str) -> None:
        """Raises `ConfigError` when a file cannot be read."""
        self._allow = _watched(allow_file, read_hashes)
        self._deny = _watched(deny_file, read_hashes)
        self._keys = _watched(passkey_file, read_keys)
        self.open = not (allow_file or deny_file or passkey_file)

    def refusal_of_torrent(self, info_hash: bytes) -> str | None:
        """Why this torrent is not served; None when it is."""
        if self._allow is not None and info_hash not in self._allow.value:
            return "this tracker serves only torrents on its list, and this one is not"
        if self._deny is not None and info_hash in self._deny.value:
            return "this tracker does not serve this torrent: its operator has excluded it"
        return None

    def refusal_of_key(self, key: bytes) -> str | None:
        """Why `key` (`b""` when none was sent) may not ask here; None when it may. An open tracker ignores keys."""
        if self._keys is None:
            return None
        if not key:
            return "this tracker is private: use the announce URL with your own key, /announce/KEY"
        if key_digest(key) not in self._keys.value:
            return "this tracker does not know your key, or no longer: ask its operator for a new announce URL"
        return None

    def refresh(self, force: bool = False) -> tuple[list[str], list[str]]:
        """Read again what has changed, or everything: a sentence for each file that was read, and for each that is broken."""
        read, broken = [], []
        for file in (self._allow, self._deny, self._keys):
            try:
                if file is not None and file.refresh(force):
                    read.append(f"read {file.path}: {len(file.value)} entries")
            except ConfigError as error:
                broken.append(f"{error}; what was read before stays in force")
        return read, broken


def _watched(path: str, read: Callable[[Path], _T]) -> WatchedFile[_T] | None:
    return WatchedFile(Path(path).expanduser(), read) if path else None
