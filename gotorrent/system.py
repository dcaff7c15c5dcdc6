"""What differs between operating systems, in a handful of small functions. No BEP rules it.

Linux gives the quick forms: one receive time-out kept by the kernel, sends that do not block, one call that reads a run of a
file into many buffers. Where they are missing, or with `PORTABLE` switched on (the tests do that), the same functions work with
what every Python has. Nothing above this module asks which system it runs on.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

PORTABLE = not (hasattr(socket, "MSG_DONTWAIT") and hasattr(os, "preadv") and sys.platform == "linux")

_portable_file_lock = threading.Lock()


class Stream:
    """One connected TCP socket as a peer's thread sees it: nothing here blocks on a send.

    The owner thread receives and closes; any thread may `shutdown`, which wakes the owner. Sends are serialised by the caller.
    """

    def __init__(self, sock: socket.socket, tick: float, portable: bool | None = None) -> None:
        """Take over `sock`. `receive_into` returns after at most `tick` seconds."""
        self.sock = sock
        self.tick = tick
        self.portable = PORTABLE if portable is None else portable
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.portable:
            sock.setblocking(False)
        else:
            wait_at_most(sock, tick)
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN | select.POLLOUT)

    def receive_into(self, view: memoryview) -> int | None:
        """Wait at most one tick for bytes. Their number, 0 when the peer closed, None when none came."""
        if self.portable and not any(select.select([self.sock], [], [self.sock], self.tick)):
            return None
        try:
            return self.sock.recv_into(view)
        except (BlockingIOError, InterruptedError):
            return None

    def try_receive_into(self, view: memoryview) -> int | None:
        """Like `receive_into`, without waiting."""
        try:
            if self.portable:
                return self.sock.recv_into(view)
            return self.sock.recv_into(view, 0, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return None

    def try_send(self, data: bytes | memoryview) -> int:
        """Send what fits into the socket's buffer now; the number of bytes taken, 0 when it is full."""
        try:
            if self.portable:
                return self.sock.send(data)
            return self.sock.send(data, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return 0

    def wait(self) -> tuple[bool, bool]:
        """Wait at most one tick until bytes can be received or sent: (readable, writable)."""
        if self.portable:
            readable, writable, broken = select.select([self.sock], [self.sock], [self.sock], self.tick)
            return bool(readable or broken), bool(writable)
        events = self._poll.poll(self.tick * 1000)
        if not events:
            return False, False
        mask = events[0][1]
        return bool(mask & ~select.POLLOUT), bool(mask & select.POLLOUT)

    def shutdown(self) -> None:
        """End both directions. Any thread may call it, more than once; the owner's next receive returns."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Free the descriptor. Only the owner calls it, so that a number is never reused under somebody."""
        self.sock.close()


def wait_at_most(sock: socket.socket, seconds: float) -> None:
    """Let accepting and receiving on `sock` wait this long; then they raise `BlockingIOError` or `TimeoutError`."""
    if PORTABLE:
        sock.settimeout(seconds)
        return
    sock.settimeout(None)
    whole = int(seconds)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, int((seconds - whole) * 1_000_000)))


def wake(sock: socket.socket) -> None:
    """End the waiting of other threads on `sock`, which is not used any more; where the system cannot, their time-out does."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # said of a socket without a connection, and works all the same
        pass


def wait_connected(sock: socket.socket, seconds: float) -> bool:
    """Wait at most `seconds` until a connection that was begun without blocking is there or has failed: `SO_ERROR` says which."""
    if PORTABLE:
        _, writable, broken = select.select([], [sock], [sock], seconds)
        return bool(writable or broken)
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def read_run(fd: int, views: Sequence[memoryview], offset: int) -> int:
    """Fill `views` one after the other from `offset` of the file; the bytes read, less only at its end."""
    if not PORTABLE:
        want = sum(map(len, views))
        done = os.preadv(fd, views, offset)
        if done == want or done == 0:
            return done
    done = 0
    for view in views:
        filled = 0
        while filled < len(view):
            data = _read_at(fd, len(view) - filled, offset + done)
            if not data:
                return done
            view[filled : filled + len(data)] = data
            filled += len(data)
            done += len(data)
    return done


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset` of the file. OSError when the disk refuses."""
    view = memoryview(data)
    while view:
        if PORTABLE:
            with _portable_file_lock:
                os.lseek(fd, offset, os.SEEK_SET)
                done = os.write(fd, view)
        else:
            done = os.pwrite(fd, view, offset)
        view = view[done:]
        offset += done


def _read_at(fd: int, count: int, offset: int) -> bytes:
    if hasattr(os, "pread") and not PORTABLE:
        return os.pread(fd, count, offset)
    with _portable_file_lock:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, count)


def fsync_folder(path: str | os.PathLike[str]) -> None:
    """Make a rename inside `path` survive a power cut, where the system lets a folder be synced."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, readable by its owner alone, so that a crash leaves the old or the new, never a part. OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def allow_descriptors(wanted: int) -> int:
    """Raise this process's own limit of open files and sockets to `wanted`, as far as the system lets it; the limit that holds."""
    try:
        import resource
    except ImportError:  # Windows: sockets and files are not counted together there
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return wanted
    possible = wanted if hard == unlimited else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    except (OSError, ValueError):
        return soft
    return possible
