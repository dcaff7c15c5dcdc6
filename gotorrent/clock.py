"""The only place that reads the system's clocks. No BEP rules it.

Everything that waits, times out or measures a rate takes a `Clock`, so that a test can pass one that it moves by hand.
"""

from __future__ import annotations

import time


class Clock:
    """Seconds as floats: `monotonic` for intervals and deadlines, `wall` for dates that people and files see."""

    def monotonic(self) -> float:
        """Seconds since some fixed point; never jumps back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()


SYSTEM_CLOCK = Clock()
