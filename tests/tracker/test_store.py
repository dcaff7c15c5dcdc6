from __future__ import annotations

import pytest

from gotorrent.config import TrackerConfig
from gotorrent.tracker.store import interval, time_out


@pytest.mark.parametrize(
    ("swarm", "everybody", "seconds"),
    [
        (0, 0, 60),
        (609, 0, 60),
        (610, 0, 61),
        (10_000, 0, 1000),
        (10**6, 0, 1800),
        (10, 121_999, 60),
        (10, 122_000, 61),
        (10, 10**6, 500),
        (10, 10**8, 1800),
    ],
)
def test_the_interval_grows_with_the_swarm_and_the_load(swarm, everybody, seconds):
    assert interval(TrackerConfig(), swarm, everybody) == seconds


def test_a_longer_interval_of_the_operator_holds():
    assert interval(TrackerConfig(announce_interval=3600), 10**6, 10**6) == 3600


@pytest.mark.parametrize(("told", "seconds"), [(60, 1800), (1200, 1800), (1201, 1801), (1800, 2700)])
def test_a_peer_may_be_half_an_interval_late(told, seconds):
    assert time_out(TrackerConfig(), told) == seconds
