"""When to announce to whom: time is a number here, nothing waits."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from gotorrent.discovery.schedule import Tier, TrackerSchedule, make_tiers, retry_delay
from gotorrent.wire.http_tracker import AnnounceReply

A, B, C = "http://a.example/announce", "http://b.example/announce", "http://c.example/announce"


def reply(interval: int = 60, min_interval: int | None = None) -> AnnounceReply:
    return AnnounceReply(interval, min_interval, [("192.0.2.1", 1)], 3, 4, "", b"", None)


def tier(*urls: str) -> Tier:
    return Tier(TrackerSchedule(url, 0.0) for url in urls)


def urls(trackers: Iterable[TrackerSchedule]) -> list[str]:
    return [tracker.url for tracker in trackers]


def asked(one: Tier, now: float) -> str | None:
    tracker = one.begin(now)
    return tracker.url if tracker else None


def test_retries_are_quick_first_and_rare_later() -> None:
    assert [retry_delay(n) for n in range(1, 8)] == [2, 5, 10, 20, 40, 80, 160]
    assert retry_delay(12) == retry_delay(10**9) == 1800


def test_first_announce_is_started_then_none_then_completed_once() -> None:
    one = tier(A)
    tracker = one.begin(0)
    assert tracker is not None
    assert tracker.event() == "started"
    assert one.begin(0) is None, "one announce at a time"
    one.succeeded(reply(), "started", left=5, now=1)
    assert (tracker.event(), one.due()) == ("", 61)
    one.completed(10)
    assert (tracker.event(), one.due()) == ("completed", 10)
    one.begin(10)
    one.succeeded(reply(), "completed", left=0, now=11)
    assert (tracker.event(), one.due()) == ("", 71)


def test_completed_survives_a_failure() -> None:
    one = tier(A)
    tracker = one.begin(0)
    one.succeeded(reply(), "started", 5, 0)
    one.completed(10)
    one.begin(10)
    one.failed("answered 500", None, 10)
    assert tracker is not None
    assert (tracker.event(), one.due()) == ("completed", 12)


def test_completed_while_started_is_under_way() -> None:
    one = tier(A)
    tracker = one.begin(0)
    one.completed(0)
    one.succeeded(reply(), "started", left=5, now=1)
    assert tracker is not None
    assert (tracker.event(), one.due()) == ("completed", 1)


def test_completed_is_never_sent_after_a_started_that_left_nothing() -> None:
    one = tier(A)
    tracker = one.begin(0)
    one.completed(0)
    one.succeeded(reply(), "started", left=0, now=1)
    assert tracker is not None
    assert (tracker.event(), one.due()) == ("", 61)


def test_completed_is_not_for_trackers_that_never_heard_of_us() -> None:
    one = tier(A, B)
    one.begin(0)
    one.failed("refused the connection", None, 0)
    one.completed(1)
    assert [tracker.completed_due for tracker in one.trackers] == [False, False]


def test_failure_moves_on_and_success_moves_to_the_front() -> None:
    one = tier(A, B, C)
    assert asked(one, 0) == A
    one.failed("refused the connection", None, 0)
    assert (one.due(), asked(one, 0)) == (0, B)
    one.succeeded(reply(), "started", 5, 1)
    assert urls(one.trackers) == [B, A, C]
    assert one.due() == 61, "A's retry does not come while B works"
    assert asked(one, 61) == B
    one.failed("answered 500", None, 62)
    assert asked(one, 62) == A, "whoever may be asked by now takes over at once"


def test_all_of_a_tier_failing_backs_off() -> None:
    one = tier(A, B)
    for now in (0.0, 1.0):
        one.begin(now)
        one.failed("refused the connection", None, now)
    assert one.due() == 2
    assert asked(one, 1.9) is None
    assert asked(one, 2) == A


def test_jitter_moves_the_retry() -> None:
    one = tier(A)
    one.begin(0)
    one.failed("", None, 0, jitter=1.2)
    assert one.due() == pytest.approx(2.4)


def test_interval_zero_or_endless_is_bounded() -> None:
    for interval, bounded in ((0, 5), (10**9, 86_400)):
        one = tier(A)
        one.begin(0)
        one.succeeded(reply(interval, interval), "started", 5, 0)
        assert one.due() == bounded
        assert one.early_at() == bounded


def test_min_interval_is_obeyed_also_in_failures() -> None:
    one = tier(A)
    one.begin(0)
    one.succeeded(reply(60, 30), "started", 5, 0)
    one.hurry(1)
    assert one.due() == 30
    one.completed(2)
    assert one.due() == 2, "events are not held back"
    one.begin(2)
    one.failed("refused the connection", None, 3)
    assert one.due() == 30, "not 5, which would be before min interval"


@pytest.mark.parametrize(("wish", "due"), [(100, 101), (0, 3), (10**9, 86_401), (math.inf, math.inf)])
def test_retry_in_is_obeyed_and_bounded(wish: float, due: float) -> None:
    one = tier(A)
    one.begin(1)
    one.failed("refused", wish, 1)
    assert one.due() == due
    one.hurry(2)
    assert one.due() == max(2, min(due, 1 + wish)), "a person cannot cut short what the tracker asked for"


def test_early_announce_only_when_peers_are_wanted() -> None:
    one = tier(A)
    assert one.early_at() == math.inf
    one.begin(0)
    assert one.early_at() == math.inf
    one.succeeded(reply(60, 15), "started", 5, 0)
    assert (one.early_at(), one.due()) == (15, 60)
    one.ask_early(False, 15)
    assert (one.early_at(), one.due()) == (30, 60)
    one.ask_early(True, 30)
    assert one.due() == 30


def test_no_early_announce_without_min_interval() -> None:
    one = tier(A)
    one.begin(0)
    one.succeeded(reply(60), "started", 5, 0)
    assert one.early_at() == math.inf
    one.hurry(1)
    assert one.due() == 5, "a person may ask every five seconds"


def test_hurry_ends_our_own_back_off() -> None:
    one = tier(A)
    one.begin(0)
    one.failed("refused the connection", None, 0)
    one.hurry(0.5)
    assert one.due() == 0.5


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("udp://t.example:80/announce", "UDP trackers are not supported yet"),
        ("wss://t.example", "wss://"),
        ("file:///etc/passwd", "file://"),
        ("announce", "no://"),
        ("http:///announce", "no host"),
        ("http://[/announce", "not a usable URL"),
    ],
)
def test_unsupported_trackers_are_never_asked(url: str, words: str) -> None:
    one = tier(url, A)
    assert one.trackers[0].unsupported
    assert words in one.trackers[0].last_error
    assert asked(one, 0) == A
    one.failed("", math.inf, 0)
    one.hurry(1)
    assert one.due() == math.inf
    assert tier(url).due() == math.inf


def test_planned_is_infinite_for_those_that_stand_by() -> None:
    one = tier(A, B)
    assert [one.planned(tracker) for tracker in one.trackers] == [0, 0]
    one.begin(0)
    one.succeeded(reply(), "started", 5, 0)
    assert [one.planned(tracker) for tracker in one.trackers] == [60, math.inf]


def test_tiers_are_shuffled_inside_and_joined_when_private() -> None:
    def turn(items: list[str]) -> None:
        items.reverse()

    public = make_tiers([(A, B), (C,), ()], private=False, now=7, shuffle=turn)
    assert [urls(one.trackers) for one in public] == [[B, A], [C]]
    assert all(one.due() == 7 for one in public)
    private = make_tiers([(A, B), (C,)], private=True, now=7, shuffle=turn)
    assert [urls(one.trackers) for one in private] == [[B, A, C]]
