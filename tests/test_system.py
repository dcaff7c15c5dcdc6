"""Sockets and files below the engine, the quick forms and the portable ones: both must do the same."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotorrent import system
from gotorrent.system import Stream

TICK = 0.05
BOTH = pytest.mark.parametrize("portable", [False, True], ids=["native", "portable"])
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compares the portable forms with Linux's own")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of one TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


@pytest.fixture(params=[False, True], ids=["native", "portable"])
def portable_files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(system, "PORTABLE", request.param)
    return bool(request.param)


@BOTH
def test_receives_what_is_there(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    stream, buffer = Stream(pair[0], TICK, portable), bytearray(100)
    pair[1].sendall(b"hello")
    assert stream.receive_into(memoryview(buffer)) == 5
    assert buffer[:5] == b"hello"


@BOTH
def test_a_receive_gives_up_after_a_tick(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    stream = Stream(pair[0], TICK, portable)
    begun = time.monotonic()
    assert stream.receive_into(memoryview(bytearray(10))) is None
    assert TICK * 0.5 <= time.monotonic() - begun < 2


@BOTH
def test_try_receive_does_not_wait(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    stream, view = Stream(pair[0], 30.0, portable), memoryview(bytearray(10))
    begun = time.monotonic()
    assert stream.try_receive_into(view) is None
    assert time.monotonic() - begun < 5
    pair[1].sendall(b"abc")
    assert stream.wait()[0]
    assert stream.try_receive_into(view) == 3


@BOTH
def test_the_end_of_the_connection_is_zero_bytes(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    stream, view = Stream(pair[0], TICK, portable), memoryview(bytearray(10))
    pair[1].close()
    assert stream.receive_into(view) == 0
    assert stream.wait()[0]
    assert stream.try_receive_into(view) == 0


@BOTH
def test_both_directions_and_a_full_buffer(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    near, far = Stream(pair[0], TICK, portable), Stream(pair[1], TICK, portable)
    block = memoryview(bytearray(os.urandom(1 << 16)))
    assert near.wait() == (False, True)
    sent = bytearray()
    while taken := near.try_send(block):
        sent += block[:taken]
    assert far.wait() == (True, True), "bytes to read, room to write"
    got, view = bytearray(), memoryview(bytearray(1 << 16))
    while len(got) < len(sent):
        count = far.receive_into(view)
        assert count
        got += view[:count]
    assert got == sent
    assert near.wait()[1], "room again"
    assert far.try_send(b"answer") == 6
    assert near.receive_into(view) == 6


@BOTH
def test_wait_times_out_when_the_peer_reads_nothing(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    stream = Stream(pair[0], TICK, portable)
    while stream.try_send(bytes(1 << 16)):
        pass
    assert stream.wait() == (False, False)


@BOTH
def test_shutdown_from_another_thread_wakes_the_owner(pair: tuple[socket.socket, socket.socket], portable: bool) -> None:
    stream = Stream(pair[0], 30.0, portable)
    seen: list[int | None] = []
    owner = threading.Thread(target=lambda: seen.append(stream.receive_into(memoryview(bytearray(10)))))
    owner.start()
    stream.shutdown()
    stream.shutdown()
    owner.join(5)
    assert not owner.is_alive()
    assert seen == [0]
    stream.close()
    stream.shutdown()  # after the close too: it must not touch a number that somebody else may have


def test_native_and_portable_talk_to_each_other(pair: tuple[socket.socket, socket.socket]) -> None:
    native, portable = Stream(pair[0], TICK, False), Stream(pair[1], TICK, True)
    view = memoryview(bytearray(10))
    for here, there in ((native, portable), (portable, native)):
        assert here.try_send(b"hello") == 5
        assert there.receive_into(view) == 5


def test_a_connection_that_comes_or_fails_ends_the_wait(portable_files: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        for closed in (False, True):
            if closed:
                server.close()
            with socket.socket() as sock:
                sock.setblocking(False)
                sock.connect_ex(address)
                assert system.wait_connected(sock, 5)
                assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) == closed


def test_waiting_for_a_connection_ends_in_time(portable_files: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, socket.socket() as first, socket.socket() as second:
        for sock in (first, second):
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        assert system.wait_connected(first, 5)
        begun = time.monotonic()
        system.wait_connected(second, TICK)  # the queue may be full, or have a place more than it says
        assert time.monotonic() - begun < 2


def test_a_run_of_a_file_is_read_into_many_buffers(tmp_path: Path, portable_files: bool) -> None:
    data = os.urandom(100_000)
    (tmp_path / "f").write_bytes(data)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        buffers = [bytearray(size) for size in (1, 16384, 0, 50_000)]
        assert system.read_run(fd, [memoryview(b) for b in buffers], 123) == 66_385
        assert b"".join(buffers) == data[123 : 123 + 66_385]
        short = [bytearray(60), bytearray(60)]
        assert system.read_run(fd, [memoryview(b) for b in short], 99_900) == 100, "less at the end of the file"
        assert b"".join(short)[:100] == data[99_900:]
        assert system.read_run(fd, [memoryview(bytearray(5))], 100_000) == 0
    finally:
        os.close(fd)


def test_a_read_that_comes_in_parts_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PORTABLE", False)
    (tmp_path / "f").write_bytes(b"0123456789")
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, views, offset: real(fd, [views[0][:3]], offset))
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        buffers = [bytearray(4), bytearray(4)]
        assert system.read_run(fd, [memoryview(b) for b in buffers], 1) == 8
        assert b"".join(buffers) == b"12345678"
    finally:
        os.close(fd)


def test_a_write_that_goes_in_parts_is_finished(tmp_path: Path, portable_files: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    real_pwrite, real_write = os.pwrite, os.write
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real_pwrite(fd, data[:1000], offset))
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:1000]))
    data = os.urandom(5500)
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    try:
        system.write_all(fd, memoryview(data), 10)
        system.write_all(fd, b"", 0)
    finally:
        os.close(fd)
    assert (tmp_path / "f").read_bytes() == bytes(10) + data


def test_portable_reads_and_writes_of_one_descriptor_do_not_mix(tmp_path: Path, portable_files: bool) -> None:
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    wrong: list[int] = []

    def work(number: int) -> None:
        mine, back = bytes([number]) * 4096, bytearray(4096)
        for turn in range(20):
            offset = (turn * 8 + number) * 4096
            system.write_all(fd, mine, offset)
            system.read_run(fd, [memoryview(back)], offset)
            if back != mine:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(fd)
    assert not wrong


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path: Path) -> None:
    system.fsync_folder(tmp_path)
    system.fsync_folder(tmp_path / "missing")
    (tmp_path / "f").touch()
    system.fsync_folder("/dev/null")


def test_the_limit_of_descriptors_is_raised_no_further_than_allowed() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        assert system.allow_descriptors(100) == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(soft, 256), "what suffices is left alone"
        assert system.allow_descriptors(min(300, hard)) == min(300, hard)
        if hard != resource.RLIM_INFINITY:
            assert system.allow_descriptors(hard + 1000) == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sub" / "state"
    system.write_atomically(path, b"old")

    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        system.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
