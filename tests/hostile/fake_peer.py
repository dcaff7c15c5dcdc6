"""A peer that does exactly what it is told, right or wrong, on a plain blocking socket; it dials or is dialled."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable

from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.wire import handshake
from gotorrent.wire import messages as wire
from tests.swarm.fakes import BLOCK, bits_of

PATIENCE = 8.0
"""Seconds after which a test fails instead of waiting on."""


class FakePeer:
    """One connection. Verbs send one message; `read_message` gives what the client under test sends."""

    def __init__(self, metainfo: Metainfo, data: bytes = b"", peer_id: bytes = b"-XX0001-123456789012") -> None:
        self.metainfo = metainfo
        self.data = data
        self.peer_id = peer_id
        self.sock = socket.socket()
        self._server: socket.socket | None = None
        self._read = b""

    def __enter__(self) -> FakePeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.sock.close()
        if self._server:
            self._server.close()

    # --- how the connection begins

    def dial(self, address: tuple[str, int]) -> FakePeer:
        """Connect to the client."""
        self.sock.settimeout(PATIENCE)
        self.sock.connect(address)
        return self

    def listen(self) -> tuple[str, int]:
        """Where the client can dial this peer; then `accept`."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE)
        host, port = self._server.getsockname()
        return host, port

    def accept(self) -> FakePeer:
        """Wait until the client has dialled."""
        assert self._server
        self.sock.close()
        self.sock, _ = self._server.accept()
        self.sock.settimeout(PATIENCE)
        self._read = b""
        return self

    def handshake(self, info_hash: bytes | None = None) -> FakePeer:
        """Send ours and read theirs."""
        self.raw(handshake.encode(info_hash or self.metainfo.info_hash, self.peer_id))
        assert self._take(handshake.LENGTH)[28:48] == self.metainfo.info_hash
        return self

    # --- what it says

    def raw(self, data: bytes) -> None:
        """Any bytes."""
        self.sock.sendall(data)

    def message(self, kind: int, payload: bytes = b"") -> None:
        """Any message."""
        self.raw(wire.PREFIX.pack(1 + len(payload), kind) + payload)

    def bitfield(self, pieces: Iterable[int] | None = None) -> None:
        """We have these pieces, or all."""
        count = self.metainfo.layout.piece_count
        self.raw(wire.encode_bitfield(bytes(bits_of(count, list(range(count) if pieces is None else pieces)).bytes)))

    def have(self, piece: int) -> None:
        """We have this piece."""
        self.raw(wire.encode_have(piece))

    def choke(self) -> None:
        """Ask us nothing."""
        self.message(wire.CHOKE)

    def unchoke(self) -> None:
        """Ask us."""
        self.message(wire.UNCHOKE)

    def interested(self) -> None:
        """We want something."""
        self.message(wire.INTERESTED)

    def request(self, piece: int, begin: int = 0, length: int = BLOCK) -> None:
        """Ask for a block."""
        self.raw(wire.encode_request(piece, begin, length))

    def send_block(self, piece: int, begin: int = 0, length: int = BLOCK, *, corrupt: bool = False) -> None:
        """A block, whether or not anybody asked for it; a corrupt one differs in every byte."""
        at = self.metainfo.layout.offset(piece, begin)
        block = self.data[at : at + length]
        self.raw(wire.encode_piece(piece, begin, bytes(255 - byte for byte in block) if corrupt else block))

    # --- what it hears

    def read_message(self) -> tuple[int, bytes] | None:
        """(id, payload) of the next message, None when the client has closed the connection."""
        try:
            length = int.from_bytes(self._take(4), "big")
            if not length:
                return wire.KEEP_ALIVE, b""
            whole = self._take(length)
        except ConnectionError:
            return None
        return whole[0], whole[1:]

    def read_until(self, kind: int) -> bytes:
        """The payload of the next message of this kind; ConnectionError when there is none."""
        while (message := self.read_message()) is not None:
            if message[0] == kind:
                return message[1]
        raise ConnectionError("the client closed the connection")

    def read_request(self) -> tuple[int, int, int]:
        """The next block that the client wants: (piece, begin, length)."""
        piece, begin, length = wire.BLOCK.unpack(self.read_until(wire.REQUEST))
        return piece, begin, length

    def is_closed(self) -> bool:
        """Read on until the client closes the connection; False when it does not for `PATIENCE` seconds."""
        try:
            while self.sock.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def serve(self, *, corrupt: bool = False, owe: Iterable[int] = ()) -> None:
        """Answer requests until the connection ends, but not those for the pieces `owe`."""
        owe = set(owe)
        try:
            while True:
                piece, begin, length = self.read_request()
                if piece not in owe:
                    self.send_block(piece, begin, length, corrupt=corrupt)
        except OSError:
            pass

    def serve_in_thread(self, *, corrupt: bool = False, owe: Iterable[int] = ()) -> threading.Thread:
        """`serve` in the background; close the peer, then join the thread."""
        thread = threading.Thread(target=self.serve, kwargs={"corrupt": corrupt, "owe": owe}, name="fake peer")
        thread.start()
        return thread

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            more = self.sock.recv(1 << 16)
            if not more:
                raise ConnectionResetError("the client closed the connection")
            self._read += more
        taken, self._read = self._read[:size], self._read[size:]
        return taken
