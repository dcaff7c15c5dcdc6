"""One tree of exceptions, sorted by whose fault it is, so that blame decides what happens next.

A `PeerError` costs that peer its connection, a `TrackerError` that tracker a retry; the others end in one plain sentence for
the person and in the exit code that the class carries (the table is in `docs/architecture.md`). The message of every exception
here is that sentence: what, where, and what to do about it. No BEP rules this module.
"""

from __future__ import annotations


class GoTorrentError(Exception):
    """Anything GoTorrent reports on purpose. `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(GoTorrentError):
    """The command line or the configuration asks for something that cannot be."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file is unreadable, has an unknown key, or a value of the wrong type."""


class PortBusyError(UsageError):
    """A port that was asked for by name is in use by another program."""


class BencodeError(GoTorrentError):
    """Bytes that are not bencode (BEP 3). The edge that read them says whose they were."""

    exit_code = 3


class CompactError(GoTorrentError):
    """Compact peers of a wrong length, or a host that is no address (BEP 23, 7). The edge that read them says whose they were."""


class MetainfoError(GoTorrentError):
    """A .torrent file that breaks BEP 3, or one of our limits; or is not a .torrent at all."""

    exit_code = 3


class MagnetError(GoTorrentError):
    """A magnet link that does not parse (BEP 9)."""

    exit_code = 3


class ReadError(GoTorrentError):
    """A file, folder or URL that the person named cannot be read."""

    exit_code = 4


class WriteError(GoTorrentError):
    """A file or folder cannot be written: no permission, disk full, or something else is already there."""

    exit_code = 5


class VerificationError(GoTorrentError):
    """Content on disk does not match the torrent."""

    exit_code = 6


class StoppedError(GoTorrentError):
    """The client was stopped before the download was complete."""

    exit_code = 7


class NoProgressError(GoTorrentError):
    """No tracker or peer answered within the time the person gave (`-timeout`)."""

    exit_code = 8


class TrackerError(GoTorrentError):
    """A tracker refused, answered nonsense, or did not answer (BEP 3, 23). `retry_after` is in seconds, if it said so."""

    exit_code = 8

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HttpError(GoTorrentError):
    """An HTTP request failed; the message is what the server did: "answered 500". Who asked turns it into one of the above."""

    def __init__(self, message: str, status: int = 0, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class PeerError(GoTorrentError):
    """A peer broke the wire protocol (BEP 3): its connection ends, and this message says why."""
