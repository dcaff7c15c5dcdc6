"""Slots: who gets one, who keeps it, who waits."""

from __future__ import annotations

from gotorrent.swarm.choker import TURN, Candidate, choose


def _c(key: str, since: float, *, interested: bool = True, unchoked: bool = False) -> Candidate[str]:
    return Candidate(key, interested, unchoked, since)


def test_free_slots_go_to_those_who_have_waited_longest() -> None:
    assert choose([_c("a", 3), _c("b", 1), _c("c", 2), _c("d", 0, interested=False)], 2, 10) == {"b", "c"}


def test_nobody_loses_a_slot_before_its_turn_is_over() -> None:
    holding = [_c("a", 0, unchoked=True), _c("b", 5, unchoked=True)]
    assert choose([*holding, _c("c", 1)], 2, TURN - 0.1) == {"a", "b"}
    assert choose([*holding, _c("c", 1), _c("d", 0.5)], 2, TURN) == {"b", "d"}


def test_a_slot_is_kept_for_ever_while_nobody_waits() -> None:
    assert choose([_c("a", 0, unchoked=True)], 1, 1e9) == {"a"}


def test_who_wants_nothing_gives_its_slot_away() -> None:
    assert choose([_c("a", 0, interested=False, unchoked=True), _c("b", 9)], 1, 10) == {"b"}


def test_never_more_than_the_slots_even_if_more_hold_one() -> None:
    assert choose([_c("a", 0, unchoked=True), _c("b", 1, unchoked=True), _c("c", 2, unchoked=True)], 2, 3) == {"b", "c"}


def test_all_waiting_get_their_turn() -> None:
    since = dict.fromkeys("abcdef", 0.0)
    unchoked: set[str] = set()
    seen: set[str] = set()
    for now in range(0, 600, 10):
        chosen = choose([_c(key, since[key], unchoked=key in unchoked) for key in since], 2, float(now))
        for key in chosen ^ unchoked:
            since[key] = float(now)
        unchoked, seen = chosen, seen | chosen
    assert seen == set(since)
