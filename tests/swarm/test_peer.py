"""The thread of one connection: who learns what when, keep-alives, silence, and how it ends. Against a real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gotorrent.wire import messages as wire
from tests.hostile.fake_peer import FakePeer
from tests.swarm.fakes import BLOCK, bits_of, make_data, make_metainfo
from tests.swarm.world import Client, World, make_world
from tests.waiting import wait_until

PIECES = 8
DATA = make_data(PIECES * BLOCK)
TORRENT = make_metainfo(DATA, BLOCK)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with make_world(tmp_path) as world:
        yield world


def _fake(client: Client, number: int = 1) -> FakePeer:
    return FakePeer(TORRENT, DATA, b"-XX0001-%012d" % number).dial(client.address).handshake()


def _half() -> bytes:
    return DATA[: PIECES // 2 * BLOCK] + bytes(PIECES // 2 * BLOCK)


def test_the_bitfield_comes_first_and_says_what_we_have(world: World) -> None:
    with _fake(world.client(TORRENT, _half())) as fake:
        assert fake.read_message() == (wire.BITFIELD, bytes(bits_of(PIECES, range(PIECES // 2)).bytes))


def test_who_has_nothing_sends_no_bitfield(world: World) -> None:
    with _fake(world.client(TORRENT)) as fake:
        fake.bitfield()
        assert fake.read_message() == (wire.INTERESTED, b"")


def test_interest_follows_what_the_peer_has(world: World) -> None:
    client = world.client(TORRENT, _half())
    with _fake(client) as fake, _fake(client, 2) as other:
        fake.read_until(wire.BITFIELD)
        fake.have(0)
        fake.have(PIECES - 1)
        assert fake.read_message() == (wire.INTERESTED, b"")
        other.have(PIECES - 1)
        other.unchoke()
        other.send_block(*other.read_request())
        assert fake.read_message() == (wire.NOT_INTERESTED, b""), "and no have: it has that piece"


def test_nothing_is_asked_while_it_chokes_us(world: World) -> None:
    with _fake(world.client(TORRENT)) as fake:
        fake.bitfield()
        fake.read_until(wire.INTERESTED)
        fake.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            fake.read_message()
        fake.sock.settimeout(8)
        fake.unchoke()
        first = fake.read_request()
        fake.choke()
        fake.unchoke()
        seen = {first, *(fake.read_request() for _ in range(2 * PIECES - 1))}
        assert len(seen) == PIECES, "after the choke, all of them again"


def test_a_have_for_each_verified_piece_to_those_who_lack_it(world: World) -> None:
    client = world.client(TORRENT)
    with _fake(client) as giver, _fake(client, 2) as watcher:
        watcher.have(0)
        wait_until(lambda: any(peer.bits.count for peer in client.torrent.peers()))
        giver.bitfield()
        giver.unchoke()
        for _ in range(PIECES):
            giver.send_block(*giver.read_request())
        told = {wire.INDEX.unpack(watcher.read_until(wire.HAVE))[0] for _ in range(PIECES - 1)}
        assert told == set(range(1, PIECES))


def test_two_seeds_have_nothing_to_say_to_each_other(world: World) -> None:
    client = world.client(TORRENT, DATA)
    with _fake(client) as fake:
        fake.bitfield()
        assert fake.is_closed()
        wait_until(lambda: not client.connections)


def test_a_keep_alive_when_we_are_silent(world: World) -> None:
    with _fake(world.client(TORRENT, keepalive_interval=1)) as fake:
        assert fake.read_message() == (wire.KEEP_ALIVE, b"")


def test_a_silent_peer_is_closed_and_one_that_keeps_alive_is_not(world: World) -> None:
    client = world.client(TORRENT, idle_timeout=1.5)
    with _fake(client) as silent, _fake(client, 2) as alive:
        alive.sock.settimeout(0.3)
        for _ in range(8):
            alive.raw(bytes(4))
            with pytest.raises(TimeoutError):
                alive.sock.recv(1)
        assert client.connections == 1
        assert silent.is_closed()


def test_the_same_peer_twice_the_same_way_is_refused(world: World) -> None:
    client = world.client(TORRENT)
    with _fake(client) as first:
        wait_until(lambda: client.connections == 1)
        with _fake(client) as second:
            assert second.is_closed()
        first.bitfield()
        first.read_until(wire.INTERESTED)


def test_served_blocks_are_the_ones_asked_for(world: World) -> None:
    with _fake(world.client(TORRENT, DATA)) as fake:
        fake.interested()
        fake.read_until(wire.UNCHOKE)
        wanted = [(piece, begin, BLOCK // 2) for piece in range(PIECES) for begin in (0, BLOCK // 2)] * 3
        for request in wanted:
            fake.request(*request)
        for piece, begin, length in wanted:
            payload = fake.read_until(wire.PIECE)
            assert wire.PIECE_AT.unpack_from(payload) == (piece, begin)
            at = piece * BLOCK + begin
            assert payload[8:] == DATA[at : at + length]


def test_a_choked_peer_gets_a_slot_when_another_one_loses_interest(world: World) -> None:
    client = world.client(TORRENT, DATA, upload_slots=1)
    with _fake(client) as one, _fake(client, 2) as two:
        one.interested()
        one.read_until(wire.UNCHOKE)
        two.interested()
        one.message(wire.NOT_INTERESTED)
        two.read_until(wire.UNCHOKE)
        one.read_until(wire.CHOKE)
