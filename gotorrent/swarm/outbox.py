"""What waits to be sent to one peer. Nothing here ever blocks. No BEP rules it.

If two clients that upload to each other at full speed both waited in `send`, neither would read and both would stand still. So
messages are appended, and bytes leave when the socket takes them: the owner thread flushes whenever it wakes. Any thread may
append; choke and unchoke may also leave at once, under the same lock. A batch of blocks comes from the owner alone, one at a time.
"""

from __future__ import annotations

import threading

from gotorrent.errors import PeerError
from gotorrent.system import Stream

MAX_CONTROL = 64 * 1024
"""Bytes of messages other than blocks that may wait; a peer that does not take them for so long is closed."""

FLUSH_AT = 16 * 1024
"""From here on the thread that appends also tries to send, so that a burst of `have` does not wait for the owner to wake."""


class Outbox:
    """The bytes on their way to one peer."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._control: list[bytes] = []
        self._control_size = 0
        self._leaving: memoryview | None = None  # partly sent: must go on before anything else
        self._overflow = False
        self._closed = False

    def post(self, message: bytes, *, now: bool = False) -> None:
        """Append a whole message; with `now`, or when many wait, also send what the socket takes. Any thread."""
        with self._lock:
            self._control.append(message)
            self._control_size += len(message)
            if now or self._control_size > FLUSH_AT:
                self._send()
            self._overflow = self._control_size > MAX_CONTROL

    def flush(self) -> bool:
        """Send what the socket takes; True when nothing waits any more. The owner only. PeerError when too much waits."""
        if not self._control and self._leaving is None:
            return True
        with self._lock:
            if self._overflow:
                raise PeerError("the peer does not read what we send")
            return self._send()

    def send_batch(self, batch: memoryview) -> bool:
        """Begin to send whole piece messages, after a `flush` that said True; True when they are gone. The owner only.

        The memory of `batch` may be used again once a later `flush` says True.
        """
        with self._lock:
            if self._leaving is None and not self._control:
                self._leaving = batch
            else:
                self._control.append(bytes(batch))  # another thread posted in between: keep the order, at the price of a copy
            return self._send()

    def close(self) -> None:
        """Nothing is sent any more: the owner is about to close the descriptor."""
        with self._lock:
            self._closed = True

    def _send(self) -> bool:
        while not self._closed:
            if self._leaving is None:
                if not self._control:
                    return True
                self._leaving = memoryview(b"".join(self._control))
                self._control.clear()
                self._control_size = 0
            try:
                sent = self._stream.try_send(self._leaving)
            except OSError:
                return False  # the owner's next receive reports it
            if sent < len(self._leaving):
                self._leaving = self._leaving[sent:]
                return False
            self._leaving = None
        return False
