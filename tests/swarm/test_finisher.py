"""Spare threads take work on only when they have nothing to do, and end what they began."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from gotorrent.swarm.finisher import Finisher
from tests.waiting import wait_until

OWNER = object()


@pytest.fixture
def finisher() -> Iterator[Finisher]:
    finisher = Finisher(2)
    yield finisher
    finisher.stop()


def test_a_busy_thread_takes_nothing_on(finisher: Finisher) -> None:
    go, done = threading.Event(), []

    def work() -> None:
        go.wait(10)
        done.append(threading.current_thread().name)

    assert [finisher.offer(OWNER, work) for _ in range(4)] == [True, True, False, False]
    assert done == []
    go.set()
    wait_until(lambda: done == ["finisher"] * 2)
    wait_until(lambda: finisher.offer(OWNER, work), what="a thread that has finished takes the next piece on")


def test_stop_waits_for_what_was_taken_on() -> None:
    finisher, done = Finisher(1), []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        threading.Event().wait(0.1)
        done.append(1)

    assert finisher.offer(OWNER, work)
    begun.wait(10)
    finisher.stop()
    finisher.stop()
    assert done == [1]
    assert not finisher.offer(OWNER, work)


def test_an_owner_waits_for_its_own_work_only(finisher: Finisher) -> None:
    go, other = threading.Event(), object()
    assert finisher.offer(OWNER, partial(go.wait, 10))
    assert finisher.wait_for(other, 0)
    assert not finisher.wait_for(OWNER, 0.01)
    go.set()
    assert finisher.wait_for(OWNER, 10)


def test_work_that_fails_does_not_end_its_thread(finisher: Finisher, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("surprise")

    for _ in range(5):
        wait_until(lambda: finisher.offer(OWNER, fail))
    wait_until(lambda: caplog.text.count("surprise") >= 5)


def test_one_processor_has_none_to_spare() -> None:
    assert not Finisher(0).offer(OWNER, lambda: None)
