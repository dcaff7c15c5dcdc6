"""The folder in which one client keeps its state, and the lock that keeps a second client out of it. No BEP rules it.

It lies where the system keeps such things, readable by its owner alone. Another folder is another client. A client that finds
the usual folder in use works in a temporary one, so that a seed and a leecher can run side by side on one account.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gotorrent.errors import UsageError, WriteError


@dataclass(frozen=True)
class Profile:
    """`notice` is a sentence for the person when this is not the folder that was expected, else ""."""

    path: Path
    notice: str = ""


def default_profile() -> Path:
    """The usual folder for this user on this system. UsageError for a user without a home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        raise UsageError("this user has no home folder: say with -profile DIR where the client may keep its state") from None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "GoTorrent"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "GoTorrent"
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "gotorrent"


@contextmanager
def open_profile(path: Path | None = None) -> Iterator[Profile]:
    """Lock `path`, or the usual folder, for the length of a `with` block. UsageError when `path` is in use; WriteError.

    The usual folder in use gives a temporary one that is removed at the end.
    """
    wanted = path or default_profile()
    lock = _lock(wanted)
    if lock is not None:
        with lock:
            yield Profile(wanted)
        return
    if path is not None:
        raise UsageError(f"the profile {path} is in use by another client: stop that one, or use another -profile")
    with tempfile.TemporaryDirectory(prefix="gotorrent-") as folder:
        yield Profile(Path(folder), f"another client uses {wanted}: this one runs beside it, and forgets its state when it ends")


def _lock(folder: Path) -> IO[bytes] | None:
    """An open file that holds the lock of `folder`; None when another process holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder / "lock").open("a+b")
    except OSError as error:
        raise WriteError(f"cannot use the folder {folder} for the client's state: {error.strerror}; use -profile") from error
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return None
        raise WriteError(f"cannot lock {folder / 'lock'}: {error.strerror}; use -profile with a folder on a local disk") from error
    return file
