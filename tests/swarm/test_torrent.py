"""Whole clients together: halves on both sides, small socket buffers, peers that die or fall silent at the end, and liars."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.session import listener
from gotorrent.swarm import choker, greeting
from gotorrent.swarm import downloader as downloader_module
from gotorrent.swarm.peer import Peer
from gotorrent.wire import messages as wire
from tests.hostile.fake_peer import FakePeer
from tests.swarm.fakes import BLOCK, make_data, make_metainfo
from tests.swarm.world import Client, World, make_world
from tests.waiting import wait_until

PIECE_LENGTH = 4 * BLOCK
PIECES = 30
DATA = make_data(PIECES * PIECE_LENGTH - 777)
TORRENT = make_metainfo(DATA, PIECE_LENGTH)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with make_world(tmp_path) as world:
        yield world


def _only(metainfo: Metainfo, data: bytes, pieces: set[int]) -> bytes:
    """What lies on the disk of somebody who has only these pieces."""
    size = metainfo.layout.piece_length
    parts = [data[at * size : (at + 1) * size] for at in range(metainfo.layout.piece_count)]
    return b"".join(part if at in pieces else bytes(len(part)) for at, part in enumerate(parts))


def _fake(number: int) -> FakePeer:
    return FakePeer(TORRENT, DATA, b"-XX0001-%012d" % number)


def test_one_seed_one_leecher(world: World) -> None:
    seed = world.client(TORRENT, DATA)
    leech = world.client(TORRENT, peers=[seed.address])
    leech.finishes(DATA)
    assert leech.torrent.state == "seeding"
    wait_until(lambda: seed.torrent.uploaded == len(DATA))
    wait_until(lambda: leech.torrent.downloaded == len(DATA))
    assert leech.torrent.manager._spent == 0


def test_a_session_stops_in_the_middle(world: World) -> None:
    seed = world.client(TORRENT, DATA)
    leech = world.client(TORRENT)
    leech.meet(seed.address)
    start = time.monotonic()
    leech.session.stop()
    seed.session.stop()
    assert time.monotonic() - start < 5
    leech.torrent.manager.check_invariants()


def test_what_was_verified_is_there_after_a_restart(world: World) -> None:
    half = set(range(0, PIECES, 2))
    seed = world.client(TORRENT, _only(TORRENT, DATA, half))
    assert set(seed.torrent.manager.have) == half
    leech = world.client(TORRENT, peers=[seed.address])
    wait_until(lambda: set(leech.torrent.manager.have) == half)
    leech.session.stop()
    again = world.client(TORRENT, leech.path.read_bytes())
    assert set(again.torrent.manager.have) == half


@pytest.mark.parametrize("portable", [False, True])
def test_both_have_half_and_socket_buffers_are_small(world: World, monkeypatch: pytest.MonkeyPatch, portable: bool) -> None:
    """Each side uploads at full speed while it downloads: if one of them ever waited in a send, both would stand still."""
    data = make_data(12 * 2**20)
    metainfo = make_metainfo(data, 256 * 1024)
    real_connect, real_listening = greeting.connect, listener._listening
    monkeypatch.setattr("gotorrent.system.PORTABLE", portable)

    def small(sock: socket.socket) -> socket.socket:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)  # the kernel doubles it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        return sock

    monkeypatch.setattr(greeting, "connect", lambda *args: small(real_connect(*args)))
    monkeypatch.setattr(listener, "_listening", lambda *args: small(real_listening(*args)))
    pieces = metainfo.layout.piece_count
    even = world.client(metainfo, _only(metainfo, data, set(range(0, pieces, 2))))
    odd = world.client(metainfo, _only(metainfo, data, set(range(1, pieces, 2))), peers=[even.address])
    (peer,) = wait_and_get_peers(odd, 1)
    assert peer.stream.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 64 * 1024
    even.finishes(data)
    odd.finishes(data)


def wait_and_get_peers(client: Client, count: int) -> list[Peer]:
    """Its connections, once there are so many."""
    wait_until(lambda: client.connections == count)
    return client.torrent.peers()


class Ending:
    """A leecher that has all but the last pieces; one peer was asked for those, and another one, that has them too, idles."""

    def __init__(self, world: World, last: set[int], **settings: Any) -> None:
        self.last = last
        self.leech = world.client(TORRENT, _only(TORRENT, DATA, set(range(PIECES)) - last), **settings)
        self.holder = _fake(1).dial(self.leech.address).handshake()
        self.holder.bitfield(last)
        self.holder.unchoke()
        self.asked = [self.holder.read_request() for _ in last for _ in range(4)]
        assert {piece for piece, _, _ in self.asked} == last

    def join(self, number: int = 2) -> threading.Thread:
        """Another peer that has everything, and serves."""
        self.other = _fake(number).dial(self.leech.address).handshake()
        self.other.bitfield()
        self.other.unchoke()
        return self.other.serve_in_thread()

    def close(self, *threads: threading.Thread) -> None:
        for peer in (self.holder, self.other):
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads:
            thread.join()
        self.holder.close()
        self.other.close()


def test_the_holder_of_the_last_pieces_dies_while_another_idles(world: World) -> None:
    ending = Ending(world, {3, 7})
    thread = ending.join()
    wait_until(lambda: ending.leech.connections == 2)
    ending.holder.send_block(*ending.asked[0])
    ending.holder.close()
    start = time.monotonic()
    ending.leech.finishes(DATA)
    assert time.monotonic() - start < 2
    ending.close(thread)


@pytest.mark.parametrize("sent", [0, 3, 4])
def test_the_holder_of_the_last_pieces_falls_silent_while_another_idles(world: World, sent: int) -> None:
    """End game: nobody waits for the 60 s after which a silent peer's blocks are given to others."""
    ending = Ending(world, {3, 7})
    for block in ending.asked[:sent]:
        ending.holder.send_block(*block)
    start = time.monotonic()
    thread = ending.join()
    ending.leech.finishes(DATA)
    assert time.monotonic() - start < 4
    assert ending.holder.read_until(wire.CANCEL)
    ending.close(thread)


def test_the_holder_chokes_us_at_the_end(world: World) -> None:
    ending = Ending(world, {3})
    thread = ending.join()
    wait_until(lambda: ending.leech.connections == 2)
    ending.holder.choke()
    start = time.monotonic()
    ending.leech.finishes(DATA)
    assert time.monotonic() - start < 2
    ending.close(thread)


def test_late_blocks_of_the_holder_are_no_fault(world: World) -> None:
    """It answers everything after the other one has delivered: dropped, and it stays."""
    ending = Ending(world, {3})
    thread = ending.join()
    ending.leech.finishes(DATA)
    for block in ending.asked:
        ending.holder.send_block(*block, corrupt=True)
    ending.holder.interested()
    wait_until(lambda: all(not peer.am_interested for peer in ending.leech.torrent.peers()))
    assert ending.leech.path.read_bytes() == DATA
    ending.close(thread)


@pytest.mark.parametrize("hook", ["between hash and write", "while writing"])
def test_a_corrupt_duplicate_of_a_shared_piece_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    """The liar's blocks come in its own thread while the honest peer's thread has hashed and not yet written."""
    entered, taken = threading.Event(), threading.Event()
    real_matches, real_take = downloader_module.piece_matches, downloader_module.Downloader.take_blocks

    def take(self: downloader_module.Downloader, *args: Any) -> int:
        after = real_take(self, *args)
        if entered.is_set():
            taken.set()
        return after

    ending = Ending(world, {3})
    content = ending.leech.torrent.content
    real_write = content.write

    def attack() -> None:
        if not entered.is_set():
            entered.set()
            for block in ending.asked:
                ending.holder.send_block(*block, corrupt=True)
            assert taken.wait(8)

    def matches(metainfo: Metainfo, piece: int, data: Any) -> bool:
        good = real_matches(metainfo, piece, data)
        if hook == "between hash and write":
            attack()
        return good

    def write(offset: int, data: memoryview) -> None:
        if hook == "while writing":
            attack()
        real_write(offset, data)

    monkeypatch.setattr(downloader_module.Downloader, "take_blocks", take)
    monkeypatch.setattr(downloader_module, "piece_matches", matches)
    monkeypatch.setattr(content, "write", write)
    thread = ending.join()
    ending.leech.finishes(DATA)
    assert taken.is_set()
    ending.close(thread)


def test_no_slot_is_lost_when_many_come_at_once(world: World) -> None:
    """What a peer was told and what is on our books about its choke agree, also when threads decide at the same moment."""
    seed = world.client(TORRENT, DATA, upload_slots=2, choke_interval=0.1)
    peers = [_fake(number).dial(seed.address).handshake() for number in range(8)]
    told = dict.fromkeys(range(8), True)
    try:
        for _ in range(30):
            for peer in peers:
                peer.interested()
            for peer in peers:
                peer.message(wire.NOT_INTERESTED)
        for peer in peers:
            peer.interested()
        wait_until(lambda: sum(not peer.am_choking for peer in seed.torrent.peers()) == 2)
        wait_until(lambda: all(peer.peer_interested for peer in seed.torrent.peers()))
        for number, peer in enumerate(peers):
            peer.sock.settimeout(0.15)
            try:
                while message := peer.read_message():
                    if message[0] in (wire.CHOKE, wire.UNCHOKE):
                        told[number] = message[0] == wire.CHOKE
            except TimeoutError:
                pass
        on_books = {peer.peer_id: peer.am_choking for peer in seed.torrent.peers()}  # read last: a round may have been under way
        assert told == {number: on_books[peer.peer_id] for number, peer in enumerate(peers)}
    finally:
        for peer in peers:
            peer.close()


def test_choke_rounds_do_not_overlap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once could send `choke` and `unchoke` in another order than they wrote them down."""
    seed = world.client(TORRENT, DATA)
    inside, overlaps, rounds = [0], [0], [0]
    real_choose, pause = choker.choose, threading.Event()

    def choose(*args: Any) -> Any:
        inside[0] += 1
        overlaps[0] += inside[0] > 1
        rounds[0] += 1
        pause.wait(0.02)
        inside[0] -= 1
        return real_choose(*args)

    monkeypatch.setattr(choker, "choose", choose)
    peers = [_fake(number).dial(seed.address).handshake() for number in range(8)]
    try:
        for peer in peers:
            peer.interested()
        wait_until(lambda: rounds[0] >= 8)
        assert not overlaps[0]
    finally:
        for peer in peers:
            peer.close()


def test_a_flip_of_interest_costs_one_round_for_each_receive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = world.client(TORRENT, DATA, choke_interval=60)
    wait_until(lambda: seed.torrent._next_round)
    rounds = [0]
    real = choker.choose

    def choose(*args: Any) -> Any:
        rounds[0] += 1
        return real(*args)

    monkeypatch.setattr(choker, "choose", choose)
    with _fake(1).dial(seed.address).handshake() as peer:
        peer.raw((wire.encode_flag(wire.INTERESTED) + wire.encode_flag(wire.NOT_INTERESTED)) * 5000)
        peer.have(0)
        wait_until(lambda: any(other.bits.count for other in seed.torrent.peers()))
        assert rounds[0] < 100


def test_more_addresses_than_may_be_dialled_at_once_are_all_dialled(world: World) -> None:
    fakes = [_fake(number) for number in range(6)]
    try:
        addresses = [fake.listen() for fake in fakes]
        client = world.client(TORRENT, peers=addresses, max_half_open=2)
        for fake in fakes:
            fake.accept().handshake()
        wait_until(lambda: client.connections == 6)
    finally:
        for fake in fakes:
            fake.close()


def test_two_that_dial_each_other_keep_one_connection(world: World) -> None:
    half = set(range(0, PIECES, 2))
    one = world.client(TORRENT, _only(TORRENT, DATA, half))
    two = world.client(TORRENT, _only(TORRENT, DATA, set(range(PIECES)) - half))
    one.meet(two.address)
    two.meet(one.address)
    one.finishes(DATA)
    two.finishes(DATA)


def test_a_full_disk_ends_the_torrent_with_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from gotorrent.errors import WriteError

    seed = world.client(TORRENT, DATA)
    leech = world.client(TORRENT)

    def full(offset: int, data: memoryview) -> None:
        raise WriteError("the disk is full")

    monkeypatch.setattr(leech.torrent.content, "write", full)
    leech.meet(seed.address)
    wait_until(lambda: leech.torrent.state == "error")
    wait_until(lambda: not leech.connections)
    assert str(leech.torrent.error) == "the disk is full"
    assert not leech.torrent.manager.have.count


def test_a_file_that_vanishes_under_a_seed_ends_it_with_a_sentence(world: World) -> None:
    seed = world.client(TORRENT, DATA)
    seed.path.write_bytes(b"")
    leech = world.client(TORRENT, peers=[seed.address])
    wait_until(lambda: seed.torrent.state == "error")
    assert "shorter" in str(seed.torrent.error)
    assert not leech.torrent.manager.complete


def test_a_swarm_goes_on_when_its_seed_leaves(world: World) -> None:
    """Five leechers with a random third each; the seed stays until every piece is somewhere else. All become identical."""
    data = make_data(8 * 2**20 - 99)
    metainfo = make_metainfo(data, PIECE_LENGTH)
    pieces = metainfo.layout.piece_count
    rng = random.Random(7)
    seed = world.client(metainfo, data)
    leeches = [world.client(metainfo, _only(metainfo, data, set(rng.sample(range(pieces), pieces // 3)))) for _ in range(5)]
    for leech in leeches:
        leech.meet(seed.address, *[other.address for other in leeches if other is not leech])
    wait_until(lambda: len(set().union(*(leech.torrent.manager.have for leech in leeches))) == pieces)
    seed.session.stop()
    for leech in leeches:
        leech.finishes(data)
        assert leech.torrent.manager._spent == 0
