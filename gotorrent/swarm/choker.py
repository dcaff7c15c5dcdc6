"""Whom to upload to: a fixed number of slots, handed around (BEP 3, "choking").

A peer keeps its slot while it wants something from us. When more want than there are slots, the one that has held its slot the
longest, and for at least `TURN`, gives it to the one that has waited the longest. A pure decision: it sends nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

TURN = 30.0
"""Seconds that a slot lasts when others wait: time to fetch whole pieces, as long as the optimistic unchoke of BEP 3."""


@dataclass(frozen=True)
class Candidate(Generic[Key]):
    """A peer as the choker sees it; `since` is when it was last choked or unchoked (seconds)."""

    key: Key
    interested: bool
    unchoked: bool
    since: float


def choose(candidates: Sequence[Candidate[Key]], slots: int, now: float) -> set[Key]:
    """The keys of the peers that shall be unchoked from now on."""
    waiting = sorted((c for c in candidates if c.interested and not c.unchoked), key=lambda c: c.since)
    holding = sorted((c for c in candidates if c.interested and c.unchoked), key=lambda c: c.since)
    free = slots - len(holding)
    if free > 0:
        holding += waiting[:free]
    else:
        holding = holding[-slots:]
        if waiting and now - holding[0].since >= TURN:
            holding = [*holding[1:], waiting[0]]
    return {c.key for c in holding}
