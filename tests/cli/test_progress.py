"""What is shown while torrents move."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from gotorrent.cli import progress
from gotorrent.cli.output import Output
from gotorrent.cli.progress import (
    IDLE_INTERVAL,
    MOVING_INTERVAL,
    SETTLE_TIME,
    BarReporter,
    HashBar,
    JsonReporter,
    LineReporter,
    describe,
)
from tests.cli.snapshots import HandClock, peer, seeding, session, torrent


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


class Watch:
    """A reporter on a stream, under a clock that is moved by hand; `see` returns what that made it print."""

    def __init__(self, kind: Any, mode: Any = "text", stream: io.StringIO | None = None) -> None:
        self.clock, self.stream = HandClock(), stream or io.StringIO()
        self.reporter = kind(Output(mode, self.stream), self.clock)

    def see(self, *torrents: Any, after: float = 0.0) -> list[str]:
        self.clock.now += after
        start = self.stream.tell()
        self.reporter.update(session(*torrents))
        return self.stream.getvalue()[start:].splitlines()


@pytest.mark.parametrize(
    ("snapshot", "text"),
    [
        (torrent(), "50 % of 1000 B, downloading, 0 peers"),
        (torrent(waiting_for="no seed"), "50 % of 1000 B, downloading, 0 peers; no seed"),
        (torrent(down_rate=2048, up_rate=1, eta=61, peers=(peer(),)),
         "50 % of 1000 B, downloading, 2 KiB/s down, 1 B/s up, 1 peer, 1:01 left"),
        (seeding(uploaded=1024), "seeding, 0 peers, 1 KiB given"),
        (torrent(state="checking", checked=0.256), "checking what is on disk, 25 %"),
        (torrent(state="error", error="disk full"), "stopped: disk full"),
    ],
)  # fmt: skip
def test_a_torrent_in_one_line(snapshot: Any, text: str) -> None:
    assert describe(snapshot) == text


class TestLines:
    def test_a_new_torrent_is_no_news_and_progress_is_told_in_steps(self) -> None:
        watch = Watch(LineReporter)
        assert watch.see(torrent(progress=0.0)) == []
        assert watch.see(torrent(progress=0.09), after=5) == []
        assert watch.see(torrent(progress=0.1), after=0.5) == ["talk.pdf: 10 % of 1000 B, downloading, 0 peers"]
        assert watch.see(torrent(progress=0.3), after=0.5) == []  # however fast it moves
        assert len(watch.see(torrent(progress=0.3), after=0.5)) == 1

    def test_slow_progress_is_told_now_and_then_and_standstill_hardly_ever(self) -> None:
        watch = Watch(LineReporter)
        watch.see(torrent())
        assert watch.see(torrent(downloaded=1), after=MOVING_INTERVAL - 1) == []
        assert len(watch.see(torrent(downloaded=2), after=1)) == 1
        assert watch.see(torrent(downloaded=2), after=IDLE_INTERVAL - 1) == []
        assert len(watch.see(torrent(downloaded=2), after=1)) == 1

    def test_a_month_of_idle_seeding_is_a_line_every_ten_minutes(self) -> None:
        watch = Watch(LineReporter)
        watch.see(seeding())
        lines = [
            line
            for second in range(0, 86_400, 20)
            for line in watch.see(seeding(uploaded=second, waiting_for=f"{second}"), after=20)
        ]
        assert len(lines) == 86_400 / IDLE_INTERVAL

    def test_what_it_waits_for_is_told_once_it_has_settled(self) -> None:
        watch = Watch(LineReporter)
        watch.see(torrent())
        assert watch.see(torrent(waiting_for="the tracker"), after=1) == []
        assert watch.see(torrent(waiting_for="no seed; again in 9 s"), after=1) == []
        line = watch.see(torrent(waiting_for="no seed; again in 7 s"), after=SETTLE_TIME)
        assert line == ["talk.pdf: 50 % of 1000 B, downloading, 0 peers; no seed; again in 7 s"]
        for second in range(60):  # flapping between two reasons that were told is no news
            assert watch.see(torrent(waiting_for=f"no seed; again in {second} s"), after=SETTLE_TIME) == []

    def test_a_reason_is_news_again_after_data_moved(self) -> None:
        watch = Watch(LineReporter)
        for down_rate in (0.0, 5.0):
            watch.see(torrent(down_rate=down_rate))
            watch.see(torrent(waiting_for="no seed"))
            assert len(watch.see(torrent(waiting_for="no seed"), after=SETTLE_TIME)) == 1

    def test_the_end_of_a_download_names_time_and_place(self) -> None:
        watch = Watch(LineReporter)
        watch.see(torrent(state="checking"))
        watch.see(torrent(), after=1)
        lines = watch.see(seeding(downloaded=500), after=1)
        assert lines == ["talk.pdf: complete and verified, 1000 B in 0:02 (250 B/s): /d/talk.pdf"]
        assert watch.see(seeding(downloaded=500), after=1) == []

    def test_a_download_that_was_over_before_the_first_look_is_told_too(self) -> None:
        assert Watch(LineReporter).see(seeding(downloaded=1000)) == ["talk.pdf: complete and verified, 1000 B: /d/talk.pdf"]
        assert Watch(LineReporter).see(seeding()) == ["talk.pdf: seeding, 0 peers, 0 B given"]

    def test_an_error_is_told_at_once_but_not_by_the_last_update(self) -> None:
        watch = Watch(LineReporter)
        broken = torrent(state="error", error="disk full")
        watch.reporter.close(session(broken))
        assert watch.stream.getvalue() == ""
        assert watch.see(broken) == ["talk.pdf: stopped: disk full"]

    def test_a_quiet_output_gets_none(self) -> None:
        watch = Watch(LineReporter, "quiet")
        assert watch.see(torrent(state="error", error="x")) == []


class TestJson:
    def test_one_object_for_each_change_and_at_most_one_a_second(self) -> None:
        watch = Watch(JsonReporter, "json")
        (line,) = watch.see(torrent(peers=(peer(),)))
        seen = json.loads(line)
        assert (seen["event"], seen["name"], seen["peers"], seen["left"]) == ("torrent", "talk.pdf", 1, 500)
        assert watch.see(torrent(peers=(peer(),)), after=9) == []
        assert len(watch.see(torrent(left=400))) == 1
        assert watch.see(torrent(left=300), after=0.5) == []
        assert len(watch.see(torrent(left=300), after=0.5)) == 1

    def test_a_new_state_and_the_end_are_told_at_once(self) -> None:
        watch = Watch(JsonReporter, "json")
        watch.see(torrent())
        assert len(watch.see(seeding())) == 1
        watch.reporter.close(session(seeding(uploaded=5)))
        assert json.loads(watch.stream.getvalue().splitlines()[-1])["uploaded"] == 5


class TestBars:
    def test_a_bar_is_drawn_and_what_happens_once_stays_above(self) -> None:
        watch = Watch(BarReporter, stream=Terminal())
        watch.see(torrent(name="a\x1b[2Jb"))
        watch.see(seeding(name="a\x1b[2Jb", downloaded=9), after=1)
        watch.reporter.say("port 6881 is busy")
        watch.reporter.close(session(seeding(name="a\x1b[2Jb")))
        text = watch.stream.getvalue()
        assert "a\ufffd[2Jb" in text
        assert "a\x1b[2Jb" not in text
        assert "50 % of 1000 B, downloading" in text
        assert "complete and verified" in text
        assert "port 6881 is busy\n" in text

    def test_many_torrents_share_one_bar(self) -> None:
        watch = Watch(BarReporter, stream=Terminal())
        many = [torrent(info_hash=f"{number:040x}") for number in range(progress.MAX_BARS + 1)]
        watch.see(*many)
        watch.reporter.close(session(*many))
        assert "9 torrents" in watch.stream.getvalue()
        assert "talk.pdf" not in watch.stream.getvalue()


def test_where_the_output_goes_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert type(progress.reporter(Output(stream=io.StringIO()))) is LineReporter
    assert type(progress.reporter(Output(stream=Terminal()))) is BarReporter
    assert type(progress.reporter(Output("json", Terminal()))) is JsonReporter
    assert type(progress.reporter(Output("quiet", Terminal()))) is LineReporter
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress.reporter(Output(stream=Terminal()))) is LineReporter


def test_hashing_shows_a_bar_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        bar = HashBar(Output(stream=stream))
        bar(512, 1024)
        bar.close()
        assert ("50 % of 1 KiB" in stream.getvalue()) is shown
