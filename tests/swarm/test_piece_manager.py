"""Piece states, sharing, budget and suspicion, walked at random by a state machine that plays the threads of several peers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gotorrent.swarm import piece_manager
from gotorrent.swarm.open_piece import OpenPiece
from gotorrent.swarm.piece_manager import PieceManager
from tests.swarm.fakes import BLOCK, FakeLink, bits_of, make_layout


@dataclass
class Part:
    """One peer's part in an open piece, as its thread keeps it."""

    piece: OpenPiece
    asked: dict[int, int]
    todo: list[tuple[int, int]]


@dataclass(eq=False)
class Worker:
    """A peer and the state of its thread. While it has `claimed` blocks or pieces `to_finish`, it does that before all else."""

    link: FakeLink
    honest: bool
    parts: dict[int, Part] = field(default_factory=dict)
    claimed: list[tuple[OpenPiece, int]] = field(default_factory=list)
    to_finish: list[OpenPiece] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return bool(self.claimed or self.to_finish)


class Swarm:
    """Several peers at work on one manager, one step of one thread at a time."""

    def __init__(self, pieces: int, blocks: int, budget: int, have: list[int], seed: int = 1) -> None:
        self.layout = make_layout(blocks * BLOCK, pieces * blocks * BLOCK - 5000)
        self.budget = budget * blocks * BLOCK
        self.manager = PieceManager(self.layout, bits_of(pieces, have), self.budget, random.Random(seed))
        self.workers: list[Worker] = []
        self.bad: dict[int, set[int]] = {}  # id of an open piece -> begins of its bad blocks
        self.kept: list[OpenPiece] = []  # so that an id stays unique

    def join(self, pieces: list[int], *, honest: bool = True) -> Worker:
        worker = Worker(FakeLink(self.layout.piece_count), honest)
        self.manager.attach(worker.link)
        if pieces:
            self.manager.peer_has_bitfield(worker.link, bits_of(self.layout.piece_count, pieces))
        self.workers.append(worker)
        return worker

    def leave(self, worker: Worker) -> None:
        self.give_up(worker)
        self.manager.detach(worker.link)
        self.workers.remove(worker)

    def give_up(self, worker: Worker) -> None:
        for part in worker.parts.values():
            self.manager.give_back(worker.link, part.piece, part.asked, part.todo)
        worker.parts.clear()

    def part_of(self, worker: Worker, piece: OpenPiece) -> Part:
        part = worker.parts.get(piece.index)
        if part is None or part.piece is not piece:
            part = worker.parts[piece.index] = Part(piece, {}, [])
        return part

    def ask(self, worker: Worker, blocks: int) -> None:
        for part in worker.parts.values():
            taken, part.todo = part.todo[:blocks], part.todo[blocks:]
            part.asked.update(taken)
            blocks -= len(taken)
        for piece in self.manager.take(worker.link, blocks) if blocks > 0 else ():
            part = self.part_of(worker, piece)
            needed = list(piece.needed.items())
            part.asked.update(needed[: max(0, blocks)])
            part.todo = needed[max(0, blocks) :]
            blocks -= len(part.asked)
        if not any(part.asked for part in worker.parts.values()) and blocks > 0:
            waiting = {index: part.asked for index, part in worker.parts.items()}
            for piece, found in self.manager.help(worker.link, blocks, waiting):
                self.part_of(worker, piece).asked.update(found)

    def share(self, worker: Worker) -> None:
        if worker.link.share_asked:
            worker.link.share_asked = False
            for part in worker.parts.values():
                self.manager.publish(worker.link, part.piece, part.asked, part.todo)
                if part.piece.shared:
                    part.todo = []

    def deliver(self, worker: Worker, bad: bool = False) -> None:
        for index, part in worker.parts.items():
            if part.asked:
                begin = next(iter(part.asked))
                del part.asked[begin]
                self._arrived(worker, index, part, begin, bad)
                return

    def _arrived(self, worker: Worker, index: int, part: Part, begin: int, bad: bool) -> None:
        piece = part.piece
        if piece.shared:
            if self.manager.claim([(piece, begin)])[0]:
                worker.claimed.append((piece, begin))
                self._write(piece, begin, bad)
            return
        self._write(piece, begin, bad)
        if not part.asked and not part.todo:
            del worker.parts[index]
            self.manager.filled(worker.link, piece)
            worker.to_finish.append(piece)

    def _write(self, piece: OpenPiece, begin: int, bad: bool) -> None:
        assert self.manager.state[piece.index] == piece_manager.IN_FLIGHT, "a block is copied into a piece that is not in flight"
        self.kept.append(piece)
        marks = self.bad.setdefault(id(piece), set())
        marks.discard(begin)
        if bad:
            marks.add(begin)

    def copied(self, worker: Worker) -> None:
        whole = self.manager.copied(worker.link, [piece for piece, _ in worker.claimed])
        worker.claimed.clear()
        for piece in whole:
            worker.parts.pop(piece.index, None)
        worker.to_finish += whole

    def finish(self, worker: Worker, *, disk_works: bool = True) -> None:
        piece = worker.to_finish.pop()
        if self.bad.get(id(piece)):
            contributors = self.manager.failed(piece)
            if len(contributors) == 1:
                (liar,) = (w for w in self.workers if w.link in contributors)
                assert not liar.honest, "an honest peer is blamed"
                self.finish_all(liar)
                if liar in self.workers:
                    self.leave(liar)
        elif disk_works:
            for other in self.manager.verified(worker.link, piece):
                other.forget(piece)
        else:
            self.manager.unwritten(piece)

    def finish_all(self, worker: Worker) -> None:
        if worker.claimed:
            self.copied(worker)
        while worker.to_finish:
            self.finish(worker)

    def forget(self, worker: Worker) -> None:
        while worker.link.forgotten:
            piece = worker.link.forgotten.pop(0)
            part = worker.parts.get(piece.index)
            if part and part.piece is piece:
                del worker.parts[piece.index]

    def turn(self, worker: Worker, blocks: int = 16) -> None:
        """All that an honest peer's thread does in one turn, every block it asked for included."""
        self.finish_all(worker)
        self.forget(worker)
        self.share(worker)
        self.ask(worker, blocks)
        while any(part.asked for part in worker.parts.values()):
            self.deliver(worker)
            self.finish_all(worker)
            self.forget(worker)

    def run_to_the_end(self) -> None:
        """Every peer that is left works on; RuntimeError-free and complete within a bounded number of turns."""
        for _ in range(8 * self.layout.piece_count + 20):
            for worker in list(self.workers):
                if worker in self.workers:
                    self.turn(worker)
                    self.manager.check_invariants()
        assert self.manager.complete, f"stuck: {list(self.manager.state)}"
        assert not self.manager.left


class Machine(RuleBasedStateMachine):
    """Peers come, go, choke, help, lie and fail at any moment; no step may break the books, and nothing may get lost."""

    @initialize(
        pieces=st.integers(1, 10),
        blocks=st.integers(1, 4),
        budget=st.integers(1, 6),
        have=st.sets(st.integers(0, 9), max_size=3),
        large=st.booleans(),
        seed=st.integers(0, 99),
    )
    def begin(self, pieces: int, blocks: int, budget: int, have: set[int], large: bool, seed: int) -> None:
        self.swarm = Swarm(pieces, blocks, budget, [piece for piece in have if piece < pieces], seed)
        self.large, piece_manager.LARGE_PIECE = piece_manager.LARGE_PIECE, 1 if large else piece_manager.LARGE_PIECE

    def pick(self, number: int, *, busy: bool = False) -> Worker | None:
        ready = [worker for worker in self.swarm.workers if worker.busy == busy]
        return ready[number % len(ready)] if ready else None

    @rule(pieces=st.sets(st.integers(0, 9)), seed=st.booleans(), honest=st.integers(0, 3))
    def join(self, pieces: set[int], seed: bool, honest: int) -> None:
        count = self.swarm.layout.piece_count
        if len(self.swarm.workers) < 5:
            self.swarm.join(list(range(count)) if seed else [p for p in pieces if p < count], honest=honest > 0)

    @rule(number=st.integers(0, 9), pieces=st.lists(st.integers(0, 9), max_size=4))
    def have(self, number: int, pieces: list[int]) -> None:
        if worker := self.pick(number):
            self.swarm.manager.peer_has(worker.link, [p for p in pieces if p < self.swarm.layout.piece_count])

    @rule(number=st.integers(0, 9), blocks=st.integers(1, 12))
    def ask(self, number: int, blocks: int) -> None:
        if worker := self.pick(number):
            self.swarm.ask(worker, blocks)

    @rule(number=st.integers(0, 9), count=st.integers(1, 6))
    def deliver(self, number: int, count: int) -> None:
        if worker := self.pick(number):
            for _ in range(count):
                self.swarm.deliver(worker, bad=not worker.honest)

    @rule(number=st.integers(0, 9))
    def copied(self, number: int) -> None:
        worker = self.pick(number, busy=True)
        if worker and worker.claimed:
            self.swarm.copied(worker)

    @rule(number=st.integers(0, 9), disk_works=st.integers(0, 5))
    def finish(self, number: int, disk_works: int) -> None:
        worker = self.pick(number, busy=True)
        if worker and worker.to_finish and not worker.claimed:
            self.swarm.finish(worker, disk_works=disk_works > 0)

    @rule(number=st.integers(0, 9))
    def share(self, number: int) -> None:
        if worker := self.pick(number):
            self.swarm.share(worker)

    @rule(number=st.integers(0, 9))
    def forget(self, number: int) -> None:
        if worker := self.pick(number):
            self.swarm.forget(worker)

    @rule(number=st.integers(0, 9))
    def choked(self, number: int) -> None:
        if worker := self.pick(number):
            self.swarm.give_up(worker)

    @rule(number=st.integers(0, 9))
    def leave(self, number: int) -> None:
        if worker := self.pick(number):
            self.swarm.leave(worker)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "swarm"):
            return
        manager = self.swarm.manager
        manager.check_invariants()
        buffers = [id(piece.view.obj) for piece in manager._open.values()]
        assert len(set(buffers)) == len(buffers), "two pieces in flight share a buffer"
        assert not set(buffers) & set(map(id, manager._buffers)), "a buffer in use is also free"
        assert manager._spent <= max(self.swarm.budget, self.swarm.layout.piece_length) + self.swarm.layout.piece_length

    def teardown(self) -> None:
        """The liars leave; whoever is left must be able to finish, with a seed only where pieces exist nowhere else."""
        if not hasattr(self, "swarm"):
            return
        piece_manager.LARGE_PIECE = self.large
        swarm = self.swarm
        for worker in list(swarm.workers):
            if worker in swarm.workers:
                swarm.finish_all(worker)
        for worker in [worker for worker in swarm.workers if not worker.honest]:
            swarm.leave(worker)
        if swarm.manager.missing_everywhere() is not None:
            swarm.join(list(range(swarm.layout.piece_count)))
        swarm.run_to_the_end()


Machine.TestCase.settings = settings(stateful_step_count=60)
TestMachine = Machine.TestCase


def test_what_a_suspect_alone_can_deliver_is_not_lost() -> None:
    """A piece half done is resumed by a suspect when nobody else can, and nothing is left with which it could clear itself."""
    swarm = Swarm(pieces=2, blocks=2, budget=9, have=[])
    liar, honest, other = swarm.join([0, 1], honest=False), swarm.join([0, 1]), swarm.join([])
    swarm.ask(liar, 4)
    for part in list(liar.parts.values()):
        swarm.manager.give_back(liar.link, part.piece, dict(list(part.asked.items())[1:]), part.todo)
    first, second = (part.piece for part in liar.parts.values())
    liar.parts.clear()
    swarm._write(first, 0, bad=True)
    swarm.ask(honest, 1)
    assert list(honest.parts) == [first.index]
    swarm.deliver(honest)
    swarm.finish(honest)
    assert honest.link.suspect and liar.link.suspect
    swarm.leave(liar)
    swarm.manager.peer_has(other.link, [first.index])
    swarm.turn(other)
    assert first.index in swarm.manager.have
    swarm.leave(other)
    assert swarm.manager.state[second.index] == piece_manager.IN_FLIGHT
    swarm.run_to_the_end()


def test_a_suspect_may_help_when_there_is_nothing_else() -> None:
    swarm = Swarm(pieces=1, blocks=3, budget=9, have=[])
    one, two = swarm.join([0]), swarm.join([0])
    swarm.ask(one, 1)
    swarm.ask(two, 1)
    one.link.suspect = two.link.suspect = True
    swarm.share(one)
    swarm.run_to_the_end()


def test_a_piece_that_nobody_has_does_not_put_off_the_end_game() -> None:
    """A silent owner's last piece is shared with a peer that idles, though another piece is still missing everywhere."""
    swarm = Swarm(pieces=2, blocks=2, budget=9, have=[])
    silent, idle = swarm.join([0]), swarm.join([0])
    swarm.ask(silent, 2)
    swarm.ask(idle, 2)
    assert silent.link.share_asked
    swarm.share(silent)
    swarm.turn(idle)
    assert 0 in swarm.manager.have
    swarm.manager.check_invariants()
