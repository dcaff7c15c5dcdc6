"""What waits to be sent: in order, whole, bounded, and never blocking; on a real pair of sockets with small buffers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from gotorrent.errors import PeerError
from gotorrent.swarm.outbox import FLUSH_AT, MAX_CONTROL, Outbox
from gotorrent.system import Stream
from tests.waiting import wait_until


class Pair:
    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.far = socket.create_connection(server.getsockname())
            self.near, _ = server.accept()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        self.stream = Stream(self.near, 1.0)
        self.outbox = Outbox(self.stream)

    def read(self, size: int) -> bytes:
        """As the owner wakes again and again: flush, and read at the other end."""
        self.far.settimeout(0.02)
        data = bytearray()

        def more() -> bool:
            self.outbox.flush()
            try:
                data.extend(self.far.recv(size - len(data)))
            except TimeoutError:
                pass
            return len(data) == size

        wait_until(more, 10)
        return bytes(data)

    def is_silent(self) -> bool:
        self.far.setblocking(False)
        try:
            return self.far.recv(1) == b"never"
        except BlockingIOError:
            return True


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.outbox.close()
    pair.near.close()
    pair.far.close()


def test_a_posted_message_waits_for_the_owner(pair: Pair) -> None:
    pair.outbox.post(b"one")
    pair.outbox.post(b"two")
    assert pair.is_silent()
    assert pair.outbox.flush()
    assert pair.read(6) == b"onetwo"
    assert pair.outbox.flush()


def test_now_means_now_and_takes_what_waits_along(pair: Pair) -> None:
    pair.outbox.post(b"one")
    pair.outbox.post(b"two", now=True)
    pair.far.settimeout(5)
    assert pair.far.recv(100) == b"onetwo"


def test_many_messages_leave_without_the_owner(pair: Pair) -> None:
    pair.outbox.post(bytes(FLUSH_AT))
    assert pair.is_silent()
    pair.outbox.post(b"x")
    pair.far.settimeout(5)
    assert pair.far.recv(100)


def test_a_peer_that_does_not_read_ends_with_the_bound(pair: Pair) -> None:
    posted = 0
    with pytest.raises(PeerError, match="does not read"):
        while posted < 10 * 2**20:
            pair.outbox.post(bytes(9))
            posted += 9
            pair.outbox.flush()
    assert len(b"".join(pair.outbox._control)) <= MAX_CONTROL + 9
    assert posted < 2**20


def test_batches_and_messages_keep_their_order_and_stay_whole(pair: Pair) -> None:
    buffer = bytearray(b"B" * 300_000)
    assert not pair.outbox.send_batch(memoryview(buffer)), "more than the socket takes"
    pair.outbox.post(b"after", now=True)
    assert not pair.outbox.flush()
    assert pair.read(300_005) == b"B" * 300_000 + b"after"
    assert pair.outbox.flush()


def test_a_message_between_flush_and_batch_goes_first(pair: Pair) -> None:
    assert pair.outbox.flush()
    pair.outbox.post(b"first")
    buffer = bytearray(b"B" * 1000)
    pair.outbox.send_batch(memoryview(buffer))
    buffer[:] = b"X" * 1000
    assert pair.read(1005) == b"first" + b"B" * 1000


def test_closed_means_nothing_more_is_sent(pair: Pair) -> None:
    pair.outbox.close()
    pair.outbox.post(b"x", now=True)
    assert not pair.outbox.flush()
    assert pair.is_silent()


def test_a_broken_connection_is_left_to_the_receiver(pair: Pair) -> None:
    pair.stream.shutdown()
    pair.outbox.post(b"x", now=True)
    assert not pair.outbox.flush()


def test_messages_of_many_threads_are_never_torn(pair: Pair) -> None:
    def post(mark: int) -> None:
        for _ in range(200):
            pair.outbox.post(bytes([mark]) * 9, now=mark % 2 == 0)

    threads = [threading.Thread(target=post, args=(mark,)) for mark in range(6)]
    for thread in threads:
        thread.start()
    data = pair.read(6 * 200 * 9)
    for thread in threads:
        thread.join()
    for at in range(0, len(data), 9):
        assert data[at : at + 9] == data[at : at + 1] * 9
