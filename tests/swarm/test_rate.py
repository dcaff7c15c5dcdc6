"""The rate follows what flows, and falls to nothing when nothing does."""

from __future__ import annotations

import pytest

from gotorrent.swarm.rate import SPAN, RateMeter


def _flow(meter: RateMeter, start: float, seconds: float, per_second: int, step: float = 0.05) -> float:
    now = start
    for count in range(round(seconds / step)):
        now = start + (count + 1) * step
        meter.add(round(per_second * step), now)
    return now


def test_a_steady_flow_is_measured() -> None:
    meter = RateMeter(100.0)
    now = _flow(meter, 100.0, 3, 1000_000)
    assert meter.per_second(now) == pytest.approx(1000_000, rel=0.1)
    now = _flow(meter, now, 20, 1000_000)
    assert meter.per_second(now) == pytest.approx(1000_000, rel=0.1)
    assert meter.total == 23_000_000


def test_a_change_is_followed_within_the_span() -> None:
    meter = RateMeter(0.0)
    now = _flow(meter, _flow(meter, 0.0, 10, 1000_000), SPAN, 100_000)
    assert meter.per_second(now) == pytest.approx(100_000, rel=0.5)


def test_silence_is_zero() -> None:
    meter = RateMeter(0.0)
    assert meter.per_second(0.0) == 0
    now = _flow(meter, 0.0, 10, 1000_000)
    assert meter.per_second(now + SPAN + 1) == 0


def test_what_comes_after_silence_does_not_count_the_silence() -> None:
    meter = RateMeter(0.0)
    now = _flow(meter, 1000.0, 1, 1000_000)
    assert meter.per_second(now) == pytest.approx(1000_000, rel=0.2)


def test_marks_are_bounded() -> None:
    meter = RateMeter(0.0)
    _flow(meter, 0.0, 100, 1000)
    assert len(meter._marks) < 30
