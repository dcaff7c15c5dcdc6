"""The machine's own limit for a download: one TCP stream on loopback, its pieces hashed and written to a file, nothing else.

The sender is a process of its own that sends from memory-backed storage with `sendfile`; the receiver is the plainest loop there
is. No BitTorrent client with one connection and one hashing thread can be expected to be much faster; one that hashes in several
threads, or overlaps them with receiving, can.
"""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.content import PIECE_SIZE, Content

_SENDER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as stream, open(sys.argv[2], "rb") as file:
    stream.sendfile(file)
"""


def limit(shared: Content) -> float:
    """Seconds for the whole file of `shared`."""
    target = shared.folder / "limit.bin"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", _SENDER, str(listener.getsockname()[1]), str(shared.file)]
        with subprocess.Popen(command) as sender:
            stream = listener.accept()[0]
            with stream:
                start = time.monotonic()
                received = _receive(stream, target)
                seconds = time.monotonic() - start
            sender.wait()
    target.unlink()
    if received != shared.size:
        raise RuntimeError(f"the sender stopped after {received} bytes")
    return seconds


def _receive(stream: socket.socket, target: Path) -> int:
    piece, total, filled = memoryview(bytearray(PIECE_SIZE)), 0, 0
    with target.open("wb", buffering=0) as file:
        while count := stream.recv_into(piece[filled:]):
            filled += count
            total += count
            if filled == PIECE_SIZE:
                hashlib.sha1(piece).digest()
                file.write(piece)
                filled = 0
        file.write(piece[:filled])
    return total
