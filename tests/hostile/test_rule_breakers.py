"""Each peer here breaks one rule. It must cost its own connection, within a bound, and never the download."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from gotorrent.swarm.torrent import RESERVED
from gotorrent.swarm.uploader import MAX_BATCH
from gotorrent.wire import handshake
from gotorrent.wire import messages as wire
from tests.hostile.fake_peer import FakePeer
from tests.swarm.fakes import BLOCK, make_data, make_metainfo
from tests.swarm.world import Client, World
from tests.waiting import wait_until

PIECE_LENGTH = 2 * BLOCK
PIECES = 21
DATA = make_data(PIECES * PIECE_LENGTH - 1000)
TORRENT = make_metainfo(DATA, PIECE_LENGTH)


def _evil(number: int = 0) -> FakePeer:
    return FakePeer(TORRENT, DATA, b"-XX0001-%012d" % number)


def _still_downloads(victim: Client, world: World) -> None:
    """What counts in the end: from one honest peer, all of it comes."""
    victim.meet(world.client(TORRENT, DATA).address)
    victim.finishes(DATA)


def _say(data: bytes) -> Callable[[FakePeer], None]:
    return lambda peer: peer.raw(data)


def _prefix(length: int, kind: int) -> bytes:
    return struct.pack(">IB", length, kind)


# --- before the handshake is complete


@pytest.mark.parametrize("dialled", [False, True])
@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(68),
        b"\x13BitTorrent protocoL" + bytes(48),
        handshake.encode(bytes(20), b"-XX0001-123456789012"),
        b"",
    ],
    ids=["http", "tls", "zeros", "one letter", "wrong info-hash", "hangs up"],
)
def test_no_handshake(world: World, greeting: bytes, dialled: bool) -> None:
    with _evil() as evil:
        if dialled:
            victim = world.client(TORRENT, peers=[evil.listen()])
            evil.accept()
        else:
            victim = world.client(TORRENT)
            evil.dial(victim.address)
        evil.raw(greeting)
        if not greeting:
            evil.sock.shutdown(socket.SHUT_WR)
        assert evil.is_closed()
        assert not victim.connections
        _still_downloads(victim, world)


def test_a_late_bitfield_is_so_many_haves(world: World) -> None:
    """aria2 sends one in place of many haves; it can add pieces, not take any back."""
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake() as other:
        other.have(0)
        other.bitfield()
        other.bitfield([])
        other.have(1)
        wait_until(lambda: [peer.bits.complete for peer in victim.torrent.peers()] == [True])
        victim.torrent.manager.check_invariants()


@pytest.mark.parametrize("dialled", [False, True])
def test_a_handshake_that_drips_ends_at_its_deadline(world: World, dialled: bool) -> None:
    with _evil() as evil:
        if dialled:
            victim = world.client(TORRENT, peers=[evil.listen()], handshake_timeout=0.6)
            evil.accept()
        else:
            victim = world.client(TORRENT, handshake_timeout=0.6)
            evil.dial(victim.address)
        start, sent = time.monotonic(), 0
        greeting = handshake.encode(TORRENT.info_hash, evil.peer_id)
        evil.sock.settimeout(0.05)
        while sent < 60 and time.monotonic() - start < 5:
            try:
                evil.raw(greeting[sent : sent + 1])
                sent += 1
                if evil.sock.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - start < 3
        assert sent < 60


@pytest.mark.parametrize("dialled", [False, True])
def test_our_own_peer_id(world: World, dialled: bool) -> None:
    with _evil() as evil:
        address = evil.listen()
        victim = world.client(TORRENT)
        evil.peer_id = victim.session.peer_id
        if dialled:
            victim.meet(address)
            evil.accept().handshake()
        else:
            evil.dial(victim.address).handshake()
        assert evil.is_closed()
        assert not victim.connections
        assert victim.torrent.pool.count == 0, "never dialled again"


# --- messages that are wrong in themselves


@pytest.mark.parametrize(
    "wrong",
    [
        *[_say(_prefix(2, kind) + b"x") for kind in range(4)],
        _say(_prefix(6, wire.HAVE) + bytes(5)),
        _say(_prefix(4, wire.HAVE) + bytes(3)),
        _say(_prefix(5, wire.BITFIELD) + bytes(4)),
        _say(_prefix(3, wire.BITFIELD) + bytes(2)),
        _say(_prefix(4, wire.BITFIELD) + b"\xff\xff\xff"),
        _say(_prefix(12, wire.REQUEST) + bytes(11)),
        _say(_prefix(14, wire.REQUEST) + bytes(13)),
        _say(_prefix(14, wire.CANCEL) + bytes(13)),
        _say(_prefix(9, wire.PIECE) + bytes(8)),
        _say(_prefix(9 + BLOCK + 1, wire.PIECE)),
        _say(_prefix(2**32 - 1, wire.PIECE)),
        _say(_prefix(2**31, wire.BITFIELD)),
        _say(_prefix(16 * 1024 + 2, 20)),
        _say(_prefix(2**32 - 1, 99)),
        lambda peer: peer.have(PIECES),
        lambda peer: peer.have(2**32 - 1),
        lambda peer: peer.request(0),
        lambda peer: peer.request(PIECES),
        lambda peer: peer.send_block(0),
        lambda peer: (peer.bitfield(), peer.unchoke(), peer.read_request(), peer.send_block(0, 1, 5)),  # type: ignore[func-returns-value]
    ],
)
def test_a_wrong_message_ends_the_connection_at_once(world: World, wrong: Callable[[FakePeer], None]) -> None:
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake() as evil:
        start = time.monotonic()
        wrong(evil)
        assert evil.is_closed()
        assert time.monotonic() - start < 2
        wait_until(lambda: not victim.connections)
    _still_downloads(victim, world)


def test_what_must_be_ignored_is_ignored(world: World) -> None:
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake() as good:
        good.raw(bytes(4) + _prefix(1, 99) + _prefix(4, 20) + b"abc" + _prefix(3, 9) + b"xx" + bytes(4))
        good.raw(wire.encode_cancel(0, 0, BLOCK))
        for piece in range(PIECES):
            good.have(piece)
        good.unchoke()
        thread = good.serve_in_thread()
        victim.finishes(DATA)
        good.sock.shutdown(socket.SHUT_RDWR)
        thread.join()


# --- requests


def _seed_and_evil(world: World, **settings: float) -> tuple[Client, FakePeer]:
    seed = world.client(TORRENT, DATA, **settings)
    evil = _evil().dial(seed.address).handshake()
    evil.read_until(wire.BITFIELD)
    return seed, evil


@pytest.mark.parametrize("request_", [(0, 0, 0), (0, 0, 2**17 + 1), (0, PIECE_LENGTH, 1), (PIECES - 1, PIECE_LENGTH - 1000, 1)])
def test_a_request_outside_of_the_torrent(world: World, request_: tuple[int, int, int]) -> None:
    _, evil = _seed_and_evil(world)
    with evil:
        evil.interested()
        evil.read_until(wire.UNCHOKE)
        evil.request(*request_)
        assert evil.is_closed()


def test_requests_while_choked_are_not_answered_and_too_many_end_it(world: World) -> None:
    seed, evil = _seed_and_evil(world)
    with evil:
        for _ in range(300):
            evil.request(0)
        evil.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            evil.read_message()
        evil.sock.settimeout(8)
        evil.request(0)
        assert evil.is_closed()
        assert seed.torrent.uploaded == 0


def test_a_flood_of_requests_that_reads_nothing_costs_little(world: World) -> None:
    """More than 2 000 wait because nothing is read: closed, with no more than a batch of blocks in memory."""
    _, evil = _seed_and_evil(world)
    with evil:
        evil.interested()
        evil.read_until(wire.UNCHOKE)
        many = wire.encode_request(0, 0, BLOCK) * 500
        start = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - start < 8:
                evil.raw(many)


def test_a_peer_that_never_reads_does_not_stop_the_others(world: World) -> None:
    seed, evil = _seed_and_evil(world)
    with evil:
        evil.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        evil.interested()
        evil.raw(wire.encode_request(0, 0, BLOCK) * 1500)
        leech = world.client(TORRENT, peers=[seed.address])
        leech.finishes(DATA)
        (peer,) = (peer for peer in seed.torrent.peers() if peer.peer_id == evil.peer_id)
        assert len(peer.uploader._buffer) <= MAX_BATCH * (BLOCK + wire.PIECE_HEADER.size), "one batch"


def test_have_messages_that_nobody_reads_end_the_connection(world: World) -> None:
    """The victim of a silent reader owes it a `have` for each piece: bounded, then closed."""
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake():
        wait_until(lambda: victim.connections == 1)
        (peer,) = victim.torrent.peers()
        peer.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        for _ in range(1_000_000):
            peer.post(wire.encode_have(0))
            if peer.closing:
                break
        wait_until(lambda: peer.closing, 3)
        assert peer.closing == "the peer does not read what we send"
    wait_until(lambda: not victim.connections)


# --- promises that are not kept


def test_unchokes_and_never_sends(world: World) -> None:
    victim = world.client(TORRENT, block_timeout=0.5)
    with _evil().dial(victim.address).handshake() as evil:
        evil.bitfield()
        evil.unchoke()
        evil.read_request()
        start = time.monotonic()
        _still_downloads(victim, world)
        assert time.monotonic() - start < 8


def test_claims_everything_and_never_unchokes(world: World) -> None:
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake() as evil:
        evil.bitfield()
        evil.read_until(wire.INTERESTED)
        _still_downloads(victim, world)


def test_chokes_and_unchokes_for_ever(world: World) -> None:
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake() as evil:
        evil.bitfield()
        done = threading.Event()

        def flap() -> None:
            evil.sock.settimeout(0.01)
            try:
                while not done.is_set():
                    evil.unchoke()
                    evil.choke()
                    try:
                        evil.sock.recv(1 << 20)
                    except TimeoutError:
                        pass
            except OSError:
                pass

        thread = threading.Thread(target=flap)
        thread.start()
        try:
            _still_downloads(victim, world)
        finally:
            done.set()
            thread.join()


# --- floods


@pytest.mark.parametrize(
    "flood",
    [
        bytes(4) * 10_000,
        wire.encode_have(3) * 5_000,
        wire.encode_flag(wire.INTERESTED) * 5_000,
        (wire.encode_flag(wire.INTERESTED) + wire.encode_flag(wire.NOT_INTERESTED)) * 5_000,
        (wire.encode_flag(wire.UNCHOKE) + wire.encode_flag(wire.CHOKE)) * 5_000,
        wire.encode_cancel(0, 0, 1) * 5_000,
        _prefix(1, 99) * 5_000,
    ],
    ids=["keep-alive", "have", "interested", "interest flips", "choke flips", "cancel", "unknown"],
)
def test_a_flood_of_small_messages_does_not_stop_the_download(world: World, flood: bytes) -> None:
    victim = world.client(TORRENT)
    with _evil().dial(victim.address).handshake() as evil:
        evil.bitfield()
        wait_until(lambda: victim.connections == 1)
        (peer,) = victim.torrent.peers()
        done = threading.Event()

        def pour() -> None:
            try:
                while not done.is_set():
                    evil.raw(flood)
            except OSError:
                pass

        thread = threading.Thread(target=pour)
        thread.start()
        try:
            _still_downloads(victim, world)
            assert len(peer._buffer) <= 2 * 64 * 1024
        finally:
            done.set()
            evil.sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_connects_200_times(world: World) -> None:
    """It gets its share of the connections, the rest stays for those whom the client dials."""
    victim = world.client(TORRENT, max_peers_per_torrent=40)
    crowd = []
    try:
        for number in range(200):
            evil = _evil(number)
            crowd.append(evil)
            evil.dial(victim.address).raw(handshake.encode(TORRENT.info_hash, evil.peer_id))
        wait_until(lambda: victim.connections >= 30)
        assert victim.connections <= 40 - 40 // RESERVED
        _still_downloads(victim, world)
        assert victim.connections <= 40
    finally:
        for evil in crowd:
            evil.close()
    wait_until(lambda: victim.connections <= 1)


def test_connects_and_says_nothing_100_times(world: World) -> None:
    victim = world.client(TORRENT, handshake_timeout=0.5)
    crowd = [_evil(number).dial(victim.address) for number in range(120)]
    try:
        assert all(evil.is_closed() for evil in crowd)
        with _evil().dial(victim.address).handshake():
            wait_until(lambda: victim.connections == 1)
    finally:
        for evil in crowd:
            evil.close()


# --- lies


def test_a_liar_costs_its_own_pieces_and_is_banned(world: World) -> None:
    victim = world.client(TORRENT)
    watcher = _evil(1).dial(victim.address).handshake()
    with watcher, _evil().dial(victim.address).handshake() as liar:
        liar.bitfield()
        liar.unchoke()
        while True:
            try:
                liar.send_block(*liar.read_request(), corrupt=True)
            except ConnectionError:
                break
        wait_until(lambda: victim.connections == 1)
        assert victim.torrent.manager.have.count == 0
        with _evil().dial(victim.address) as again:
            again.raw(handshake.encode(TORRENT.info_hash, again.peer_id))
            assert again.is_closed()
        assert not victim.path.exists() or not any(victim.path.read_bytes())
        _still_downloads(victim, world)
        announced = [wire.INDEX.unpack(watcher.read_until(wire.HAVE))[0] for _ in range(PIECES)]
        assert sorted(announced) == list(range(PIECES)), "each piece once, when it is right"


def test_liars_among_honest_peers(world: World) -> None:
    """Two liars and two honest ones at the same time, pieces shared at the end: no bad byte stays, no honest peer is banned."""
    victim = world.client(TORRENT)
    honest = [world.client(TORRENT, DATA) for _ in range(2)]
    liars = [_evil(number).dial(victim.address).handshake() for number in range(2)]
    threads = []
    try:
        for liar in liars:
            liar.bitfield()
            liar.unchoke()
            threads.append(liar.serve_in_thread(corrupt=True))
        victim.meet(*[client.address for client in honest])
        victim.finishes(DATA)
        for client in honest:
            assert not victim.torrent.pool.is_banned(client.address, client.session.peer_id)
    finally:
        for liar in liars:
            try:
                liar.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads:
            thread.join()
        for liar in liars:
            liar.close()
