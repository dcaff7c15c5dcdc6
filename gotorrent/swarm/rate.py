"""How fast bytes have been flowing lately. No BEP rules it."""

from __future__ import annotations

from collections import deque

SPAN = 5.0
"""Seconds that the rate looks back: short enough to follow a change, long enough to be read."""

STEP = 0.25
MIN_ELAPSED = 0.05
"""A rate over less time than this would be noise."""


class RateMeter:
    """Counts bytes; one thread adds, any thread reads `total`."""

    __slots__ = ("_marks", "total")

    def __init__(self, now: float) -> None:
        self.total = 0
        self._marks = deque([(now, 0)])

    def add(self, count: int, now: float) -> None:
        """`count` bytes have just passed."""
        marks = self._marks
        if now - marks[-1][0] >= STEP:
            marks.append((now, self.total))
            while now - marks[0][0] > SPAN and len(marks) > 1:
                marks.popleft()
        self.total += count

    def per_second(self, now: float) -> float:
        """Bytes per second over the last `SPAN` seconds, or since the first byte if that is less."""
        since, before = now, self.total
        for mark in tuple(self._marks):
            if now - mark[0] <= SPAN:
                since, before = mark
                break
        return (self.total - before) / max(now - since, MIN_ELAPSED)
