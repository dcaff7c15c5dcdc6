"""Requests and blocks of one peer, and two peers that share, without sockets: messages in, messages out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from gotorrent.errors import PeerError, WriteError
from gotorrent.swarm import downloader as module
from gotorrent.swarm.downloader import MAX_WINDOW, MIN_WINDOW, Downloader
from gotorrent.swarm.open_piece import PeerLink
from gotorrent.swarm.piece_manager import PieceManager
from gotorrent.wire.bitfield import Bitfield
from gotorrent.wire.messages import BLOCK as THREE
from gotorrent.wire.messages import CANCEL, REQUEST, encode_piece
from gotorrent.wire.stream import Framing
from tests.swarm.fakes import BLOCK, FakeLink, MemoryContent, make_data, make_layout, make_metainfo

PIECE_LENGTH = 4 * BLOCK
Request = tuple[int, int, int]


class Home:
    """One torrent: manager, content, and what the judge was told."""

    def __init__(self, pieces: int = 8, budget: int = 100, short: int = 100) -> None:
        self.data = make_data(pieces * PIECE_LENGTH - short)
        self.metainfo = make_metainfo(self.data, PIECE_LENGTH)
        self.layout = make_layout(PIECE_LENGTH, len(self.data))
        self.content = MemoryContent(self.layout)
        self.manager = PieceManager(self.layout, Bitfield(pieces), budget * PIECE_LENGTH, random.Random(1))
        self.verified: list[int] = []
        self.bad: list[tuple[int, set[PeerLink]]] = []
        self.errors: list[WriteError] = []
        self.spare_thread = False
        self.taken_on: list[Callable[[], None]] = []

    def piece_verified(self, piece: int) -> None:
        self.verified.append(piece)

    def piece_failed(self, piece: int, contributors: set[PeerLink]) -> None:
        self.bad.append((piece, set(contributors)))

    def write_failed(self, error: WriteError) -> None:
        self.errors.append(error)

    def beside(self, work: Callable[[], None]) -> bool:
        if self.spare_thread:
            self.taken_on.append(work)
        return self.spare_thread


class Talk:
    """A downloader and the other side of its connection."""

    def __init__(self, home: Home, window: int = 512) -> None:
        self.home = home
        self.now = 0.0
        self.link = FakeLink(home.layout.piece_count)
        home.manager.attach(self.link)
        home.manager.peer_has_bitfield(self.link, Bitfield.full(home.layout.piece_count))
        self.wire = bytearray()
        content: Any = home.content
        self.downloader = Downloader(self.link, home.metainfo, home.manager, content, home, self.wire.extend, self.now, window)
        self.requests: list[Request] = []
        self.cancels: list[Request] = []
        self.framing = Framing(home.layout.bitfield_size)

    def refill(self) -> list[Request]:
        """The new requests."""
        self.downloader.refill(self.now)
        return self.read()

    def read(self) -> list[Request]:
        messages, _ = self.framing.split(self.wire, len(self.wire))
        new = []
        for kind, start, _ in messages:
            (new if kind == REQUEST else self.cancels).append(THREE.unpack_from(self.wire, start))
            assert kind in (REQUEST, CANCEL)
        self.wire.clear()
        self.requests += new
        return new

    def block(self, request: Request, *, corrupt: bool = False) -> bytes:
        piece, begin, length = request
        at = piece * PIECE_LENGTH + begin
        data = self.home.data[at : at + length]
        return encode_piece(piece, begin, bytes(length) if corrupt else data)

    def arrive(self, *raw: bytes) -> None:
        """These messages come in one receive."""
        buffer = bytearray(b"".join(raw))
        messages, end = self.framing.split(buffer, len(buffer))
        assert end == len(buffer)
        assert self.downloader.take_blocks(messages, 0, buffer, memoryview(buffer), self.now) == len(messages)
        self.home.manager.check_invariants()

    def obey(self) -> None:
        """What its thread does in between."""
        while self.link.forgotten:
            self.downloader.forget(self.link.forgotten.pop(0))
        if self.link.share_asked:
            self.link.share_asked = False
            self.downloader.share_pieces()


def test_whole_pieces_are_asked_for_and_written_when_they_are_right() -> None:
    home = Home()
    talk = Talk(home)
    asked = talk.refill()
    assert len(asked) >= MIN_WINDOW
    while not home.manager.complete:
        talk.arrive(*[talk.block(request) for request in talk.requests])
        talk.requests.clear()
        talk.refill()
    assert bytes(home.content.data) == home.data
    assert sorted(home.verified) == list(range(8))
    assert talk.downloader.outstanding == 0


@pytest.mark.parametrize("corrupt", [False, True])
def test_a_spare_thread_finishes_a_piece_while_the_owner_goes_on(corrupt: bool) -> None:
    home = Home()
    home.spare_thread = True
    talk = Talk(home)
    mine = [request for request in talk.refill() if request[0] == talk.requests[0][0]]
    talk.arrive(*[talk.block(request, corrupt=corrupt) for request in mine])
    assert (home.verified, home.bad, len(home.taken_on)) == ([], [], 1)
    talk.refill()
    assert not [request for request in talk.requests[len(mine) :] if request[0] == mine[0][0] and request not in mine]
    home.taken_on.pop()()
    home.manager.check_invariants()
    assert (home.verified, home.bad) == (([], [(mine[0][0], {talk.link})]) if corrupt else ([mine[0][0]], []))
    assert home.manager.have.count == (not corrupt)


def test_with_little_memory_the_owner_finishes_each_piece_itself() -> None:
    home = Home(budget=3)
    home.spare_thread = True
    talk = Talk(home)
    talk.arrive(*[talk.block(request) for request in talk.refill()])
    assert home.verified
    assert not home.taken_on


def test_it_asks_again_when_a_quarter_of_the_window_is_free() -> None:
    talk = Talk(Home(pieces=40))
    asked = talk.refill()
    talk.arrive(*[talk.block(request) for request in asked[: MIN_WINDOW // 4 - 1]])
    talk.now = 1e6  # the rate has fallen to nothing, so the window is the smallest
    assert talk.refill() == []
    talk.arrive(talk.block(asked[MIN_WINDOW // 4 - 1]))
    talk.now = 2e6
    assert len(talk.refill()) >= MIN_WINDOW // 4


def test_the_window_follows_the_rate_up_to_what_the_peer_allows() -> None:
    talk = Talk(Home(pieces=80))
    asked = talk.refill()
    talk.now = 0.1
    talk.arrive(*[talk.block(request) for request in asked])
    talk.refill()
    assert MAX_WINDOW - 4 < talk.downloader.outstanding <= MAX_WINDOW


def test_the_window_is_never_passed() -> None:
    talk = Talk(Home(pieces=50), window=17)
    talk.refill()
    assert talk.downloader.outstanding <= 17


@pytest.mark.parametrize("change", [(0, 0, 5), (0, 5, 0), (1, 0, 0)])
def test_a_block_nobody_asked_for_ends_it(change: Request) -> None:
    talk = Talk(Home())
    piece, begin, length = talk.refill()[0]
    other = next(index for index in range(8) if index not in {request[0] for request in talk.requests} | {7})
    wrong = (other if change[0] else piece, begin + change[1], length - change[2])
    with pytest.raises(PeerError, match="nobody asked for"):
        talk.arrive(talk.block(wrong))


def test_a_block_that_comes_twice_ends_it() -> None:
    talk = Talk(Home())
    request = talk.refill()[0]
    with pytest.raises(PeerError):
        talk.arrive(talk.block(request), talk.block(request))


def test_a_bad_piece_of_one_peer_has_one_culprit_and_is_not_written() -> None:
    home = Home()
    talk = Talk(home)
    first = talk.refill()[0][0]
    mine = [request for request in talk.requests if request[0] == first]
    talk.arrive(talk.block(mine[0], corrupt=True), *[talk.block(request) for request in mine[1:]])
    assert home.bad == [(first, {talk.link})]
    assert not any(home.content.data)
    assert home.verified == []


def test_after_a_choke_late_blocks_are_dropped_and_others_complete_what_came() -> None:
    home = Home(pieces=1)
    talk, other = Talk(home), Talk(home)
    asked = talk.refill()
    talk.arrive(talk.block(asked[0]))
    talk.downloader.give_up()
    rest = other.refill()
    assert rest == asked[1:], "what came already is not asked for again"
    talk.arrive(*[talk.block(request) for request in asked[1:]])
    other.arrive(*[other.block(request) for request in rest])
    assert home.manager.complete
    assert bytes(home.content.data) == home.data


def test_strays_are_allowed_for_what_was_given_up_and_not_a_byte_more() -> None:
    talk = Talk(Home(pieces=1))
    asked = talk.refill()
    talk.downloader.give_up()
    talk.arrive(*[talk.block(request) for request in asked])
    with pytest.raises(PeerError):
        talk.arrive(encode_piece(0, 0, b"x"))


def test_silence_gives_the_pieces_to_others_and_asks_nothing_for_a_while() -> None:
    home = Home(pieces=1)
    talk, other = Talk(home), Talk(home)
    talk.refill()
    assert not talk.downloader.check_silence(59.9, 60.0)
    assert talk.downloader.check_silence(60.0, 60.0)
    talk.now = 119.0
    assert talk.refill() == []
    assert other.refill()


def test_at_the_end_another_peer_asks_for_what_a_silent_one_owes() -> None:
    home = Home(pieces=1)
    silent, other = Talk(home), Talk(home)
    owed = silent.refill()
    assert other.refill() == [], "first the owner must make it shared"
    silent.obey()
    assert other.refill() == owed
    other.arrive(*[other.block(request) for request in owed])
    assert home.manager.complete
    silent.obey()
    silent.read()
    assert silent.cancels == owed
    assert silent.downloader.outstanding == 0
    silent.arrive(*[silent.block(request) for request in owed])


def test_no_number_of_silent_peers_keeps_the_last_blocks() -> None:
    home = Home(pieces=1)
    silent = [Talk(home) for _ in range(4)]
    owed = silent[0].refill()
    for _ in range(9):
        for talk in silent:
            talk.refill()
            talk.obey()
    assert all(talk.downloader.outstanding == len(owed) for talk in silent)
    honest = Talk(home)
    turns = 0
    while not (asked := honest.refill()):
        turns += 1
        assert turns < 4
    assert asked == owed
    honest.arrive(*[honest.block(request) for request in owed])
    assert home.manager.complete


def test_both_deliver_the_same_blocks_and_each_is_copied_once() -> None:
    home = Home(pieces=1)
    one, two = Talk(home), Talk(home)
    asked = one.refill()
    two.refill()
    one.obey()
    two.refill()
    for request in asked:
        one.arrive(one.block(request))
        two.arrive(two.block(request, corrupt=True))
    assert home.manager.complete
    assert bytes(home.content.data) == home.data
    assert home.bad == []


def test_a_bad_shared_piece_has_no_single_culprit_and_is_fetched_from_one_peer_next() -> None:
    home = Home(pieces=1)
    good, liar = Talk(home), Talk(home)
    asked = good.refill()
    liar.refill()
    good.obey()
    liar.refill()
    good.arrive(good.block(asked[0]))
    liar.arrive(*[liar.block(request, corrupt=True) for request in asked[1:]])
    assert home.bad == [(0, {good.link, liar.link})]
    good.obey()
    assert liar.refill() == asked
    assert good.refill() == []
    good.obey()
    assert good.refill() == []
    liar.arrive(*[liar.block(request, corrupt=True) for request in asked])
    assert home.bad[1] == (0, {liar.link})
    good.arrive(*[good.block(request) for request in good.refill()])
    assert home.manager.complete


def test_a_piece_that_failed_elsewhere_and_is_taken_anew_forgets_the_old_one() -> None:
    """Another thread fails a shared piece after this one has looked at what it shall forget, and before it asks."""
    home = Home(pieces=1)
    one, two = Talk(home), Talk(home)
    asked = one.refill()
    two.refill()
    one.obey()
    two.refill()
    one.arrive(one.block(asked[0]))
    two.arrive(*[two.block(request, corrupt=True) for request in asked[1:]])
    assert home.bad
    assert one.refill() == asked
    one.obey()
    assert one.downloader.outstanding == len(asked), "blocks of the old piece still count"
    one.arrive(*[one.block(request) for request in asked])
    assert home.manager.complete
    assert one.downloader.outstanding == 0


def test_blocks_that_came_with_a_bad_message_are_not_lost_to_the_others() -> None:
    home = Home(pieces=1)
    owner, rude, third = Talk(home), Talk(home), Talk(home)
    asked = owner.refill()
    rude.refill()
    owner.obey()
    rude.refill()
    with pytest.raises(PeerError):
        rude.arrive(*[rude.block(request) for request in asked[:3]], encode_piece(0, 1, b"x"))
    rude.downloader.give_up()
    home.manager.check_invariants()
    assert third.refill() == asked[3:]
    third.arrive(*[third.block(request) for request in asked[3:]])
    assert home.manager.complete


def test_a_full_disk_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(pieces=1)
    talk = Talk(home)

    def full(offset: int, data: memoryview) -> None:
        raise WriteError("full")

    monkeypatch.setattr(home.content, "write", full)
    talk.arrive(*[talk.block(request) for request in talk.refill()])
    assert [str(error) for error in home.errors] == ["full"]
    assert not home.bad
    assert not home.manager.complete


@pytest.mark.parametrize("hook", ["hash", "write"])
def test_a_corrupt_duplicate_between_hash_and_write_changes_nothing(monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    home = Home(pieces=1)
    owner, liar = Talk(home), Talk(home)
    asked = owner.refill()
    liar.refill()
    owner.obey()
    liar.refill()
    last = asked[-1]
    owner.arrive(*[owner.block(request) for request in asked[:-1]])
    real_matches, real_write = module.piece_matches, home.content.write

    def matches(metainfo: Any, piece: int, data: Any) -> bool:
        good = real_matches(metainfo, piece, data)
        if hook == "hash":
            liar.arrive(*[liar.block(request, corrupt=True) for request in asked])
        return good

    def write(offset: int, data: memoryview) -> None:
        if hook == "write":
            liar.arrive(*[liar.block(request, corrupt=True) for request in asked])
        real_write(offset, data)

    monkeypatch.setattr(module, "piece_matches", matches)
    monkeypatch.setattr(home.content, "write", write)
    owner.arrive(owner.block(last))
    assert home.verified == [0]
    assert bytes(home.content.data) == home.data
    assert not home.bad


def test_a_downloader_that_ended_leaves_nothing_open() -> None:
    home = Home(pieces=6, budget=2)
    talks = [Talk(home) for _ in range(4)]
    for _ in range(3):
        for talk in talks:
            talk.refill()
            talk.obey()
    for talk in talks:
        talk.downloader.give_up()
        home.manager.detach(talk.link)
        home.manager.check_invariants()
    assert home.manager._spent == 0
    assert set(home.manager.state) == {0}


def test_two_pieces_that_end_in_one_receive_are_both_finished() -> None:
    home = Home(pieces=2, short=PIECE_LENGTH - 10)
    talk = Talk(home)
    talk.arrive(*[talk.block(request) for request in talk.refill()])
    assert sorted(home.verified) == [0, 1]
