"""What a person or a script sees while torrents move: a live bar, plain lines, JSON objects, or nothing. No BEP rules it.

A terminal gets a bar for each torrent. Everything else gets a line when something changes, and while nothing moves at most one
in ten minutes: the log of a client that runs for a month stays readable. All of it is made from snapshots.
"""

from __future__ import annotations

import dataclasses
import os
import re
import threading
from typing import Any, Protocol

from gotorrent.cli.output import Output, counted, duration, percent, printable, size
from gotorrent.clock import SYSTEM_CLOCK, Clock
from gotorrent.session.snapshot import SessionSnapshot, TorrentSnapshot

IDLE_INTERVAL = 600.0  # seconds between two lines while nothing moves
MOVING_INTERVAL = 30.0  # seconds between two lines while data moves
LINE_STEP = 0.1  # of a torrent: this much progress earns a line at once
SETTLE_TIME = 2.0  # seconds a reason to wait must hold before it earns a line
STEP_INTERVAL = 1.0  # seconds between two lines of one torrent, however fast it moves
JSON_INTERVAL = 1.0  # seconds between two objects of one torrent
SHORTEST_TIME = 0.2  # seconds of a download that are worth a rate
MAX_BARS = 8  # torrents with a bar of their own; with more, one bar stands for all
NAME_WIDTH = 28  # columns of a bar that its torrent's name may take


class Reporter(Protocol):
    """Shows snapshots: `update` as often as the caller likes, `close` once with the last one."""

    def say(self, sentence: str) -> None:
        """Print a sentence about the client, without tearing what is on the screen."""

    def update(self, snapshot: SessionSnapshot) -> None:
        """Show what changed."""

    def close(self, snapshot: SessionSnapshot) -> None:
        """Show the end, and give the terminal back."""


def reporter(output: Output, clock: Clock = SYSTEM_CLOCK) -> Reporter:
    """The one that fits where the output goes."""
    if output.mode == "json":
        return JsonReporter(output, clock)
    return BarReporter(output, clock) if is_live(output) else LineReporter(output, clock)


def is_live(output: Output) -> bool:
    """Whether the output is a terminal on which a bar can be redrawn."""
    return output.mode == "text" and output.stream.isatty() and os.environ.get("TERM") != "dumb"


def describe(torrent: TorrentSnapshot) -> str:
    """One torrent in one line, without its name: state, progress, rates, peers, time left, what it waits for."""
    if torrent.state == "error":
        return f"stopped: {torrent.error}"
    if torrent.state == "checking":
        return f"checking what is on disk, {percent(torrent.checked)}"
    parts = []
    if torrent.left:
        parts.append(f"{percent(torrent.progress)} of {size(torrent.total)}")
    parts.append(torrent.state)
    if torrent.down_rate >= 1:
        parts.append(f"{size(torrent.down_rate)}/s down")
    if torrent.up_rate >= 1:
        parts.append(f"{size(torrent.up_rate)}/s up")
    parts.append(counted(len(torrent.peers), "peer"))
    if torrent.left and torrent.eta is not None:
        parts.append(f"{duration(torrent.eta)} left")
    elif not torrent.left:
        parts.append(f"{size(torrent.uploaded)} given")
    waiting = torrent.waiting_for.removeprefix("complete; ")
    return ", ".join(parts) + (f"; {waiting}" if waiting else "")


@dataclasses.dataclass
class _Line:
    """What the last line of a torrent said, and when."""

    started: float  # when the torrent was first seen
    time: float  # of the last line
    state: str = ""
    done: float = 0.0
    moved: int = 0  # bytes, down and up
    said: set[str] = dataclasses.field(default_factory=set)  # kinds of waiting told since data last moved
    kind: str = ""  # of waiting, now
    since: float = 0.0  # when that began

    def took(self, torrent: TorrentSnapshot, now: float) -> None:
        """A line about this torrent is printed now."""
        self.time, self.done, self.moved = now, _done(torrent), _moved(torrent)


class LineReporter:
    """A plain line on change. A quiet Output prints none of them."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self.output, self.clock = output, clock
        self._lines: dict[str, _Line] = {}

    def say(self, sentence: str) -> None:
        """A line of its own."""
        self.output.say(sentence)

    def update(self, snapshot: SessionSnapshot) -> None:
        """Print a line for each torrent that has earned one."""
        now = self.clock.monotonic()
        for torrent in snapshot.torrents:
            text = self._change(torrent, now) or (describe(torrent) if self._is_due(torrent, now) else "")
            if text:
                self.say(f"{torrent.name}: {text}")

    def close(self, snapshot: SessionSnapshot) -> None:
        """Print what changed last."""
        self.update(_without_errors(snapshot))

    def _change(self, torrent: TorrentSnapshot, now: float) -> str:
        """What to say of a new state; "" when it is the old one, or the first of one that will be heard of again."""
        line = self._lines.get(torrent.info_hash)
        if line is None:
            line = self._lines[torrent.info_hash] = _Line(now, now, done=_done(torrent), moved=_moved(torrent))
        before, line.state = line.state, torrent.state
        if before == torrent.state or (not before and torrent.state not in ("seeding", "error")):
            return ""
        line.took(torrent, now)
        if torrent.state == "seeding" and torrent.downloaded:
            took = now - line.started
            rate = f" in {duration(took)} ({size(torrent.downloaded / took)}/s)" if took >= SHORTEST_TIME else ""
            return f"complete and verified, {size(torrent.total)}{rate}: {torrent.path}"
        return describe(torrent)

    def _is_due(self, torrent: TorrentSnapshot, now: float) -> bool:
        """Whether a line is due though the state is the same; if so it is taken as printed."""
        line = self._lines[torrent.info_hash]
        done = _done(torrent)
        moving = done > line.done or (torrent.left > 0 and _moved(torrent) > line.moved)
        due = self._waits_anew(torrent, line, now)
        due = due or (done >= line.done + LINE_STEP and now - line.time >= STEP_INTERVAL)
        due = due or now - line.time >= (MOVING_INTERVAL if moving else IDLE_INTERVAL)
        if due:
            line.took(torrent, now)
        return due

    def _waits_anew(self, torrent: TorrentSnapshot, line: _Line, now: float) -> bool:
        """Whether it waits, for a while already, for something that no line has named since data last moved."""
        if torrent.down_rate >= 1:
            line.said.clear()
        kind = re.sub(r"\d+", "", torrent.waiting_for) if torrent.left else ""
        if kind != line.kind:
            line.kind, line.since = kind, now
        if not kind or kind in line.said or now - line.since < SETTLE_TIME:
            return False
        line.said.add(kind)
        return True


class BarReporter(LineReporter):
    """A live bar for each torrent at the bottom of the terminal; what happens once scrolls by above."""

    def __init__(self, output: Output, clock: Clock) -> None:
        super().__init__(output, clock)
        self._bars: dict[str, Any] = {}

    def say(self, sentence: str) -> None:
        """A line above the bars."""
        import tqdm

        with tqdm.tqdm.external_write_mode(file=self.output.stream):
            self.output.say(sentence)

    def update(self, snapshot: SessionSnapshot) -> None:
        """Draw every bar again, and print what happened above them."""
        now = self.clock.monotonic()
        for torrent in snapshot.torrents:
            text = self._change(torrent, now)
            if text and (torrent.state == "error" or text.startswith("complete")):
                self.say(f"{torrent.name}: {text}")
        if len(snapshot.torrents) > MAX_BARS:
            self._draw("", _all_in_one(snapshot))
        else:
            for torrent in snapshot.torrents:
                self._draw(torrent.info_hash, torrent)

    def close(self, snapshot: SessionSnapshot) -> None:
        """Draw them a last time; they stay on the screen."""
        self.update(_without_errors(snapshot))
        for bar in self._bars.values():
            bar.close()

    def _draw(self, key: str, torrent: TorrentSnapshot) -> None:
        bar = self._bars.get(key)
        if bar is None:
            bar = self._bars[key] = new_bar(self.output, torrent.total)
        bar.total, bar.n = torrent.total, round(_done(torrent) * torrent.total)
        bar.set_description_str(printable(f"{_short(torrent.name)}: {describe(torrent)}"), refresh=True)


def _without_errors(snapshot: SessionSnapshot) -> SessionSnapshot:
    """For the last update: the error that ends a command is printed by the command."""
    return dataclasses.replace(snapshot, torrents=tuple(each for each in snapshot.torrents if each.state != "error"))


def _done(torrent: TorrentSnapshot) -> float:
    """How far the work at hand has come, 0 to 1."""
    return torrent.checked if torrent.state == "checking" else torrent.progress


def _moved(torrent: TorrentSnapshot) -> int:
    return torrent.downloaded + torrent.uploaded


def _short(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 1] + "…"


def _all_in_one(snapshot: SessionSnapshot) -> TorrentSnapshot:
    """One snapshot that stands for all of them."""
    torrents = snapshot.torrents
    total, left = sum(torrent.total for torrent in torrents), sum(torrent.left for torrent in torrents)
    return dataclasses.replace(
        torrents[0],
        name=counted(len(torrents), "torrent"),
        state="downloading" if left else "seeding",
        total=total,
        left=left,
        progress=1 - left / total,
        down_rate=snapshot.down_rate,
        up_rate=snapshot.up_rate,
        uploaded=sum(torrent.uploaded for torrent in torrents),
        eta=left / snapshot.down_rate if snapshot.down_rate >= 1 else None,
        waiting_for="",
        error="",
        peers=tuple(peer for torrent in torrents for peer in torrent.peers),
    )


def new_bar(output: Output, total: int) -> Any:
    """A tqdm bar at the bottom of the terminal; drawn when told, without the thread that tqdm starts otherwise."""
    import tqdm

    tqdm.tqdm.monitor_interval = 0
    tqdm.tqdm.set_lock(threading.RLock())
    form = "{bar:16} {desc}"
    return tqdm.tqdm(total=total, file=output.stream, bar_format=form, dynamic_ncols=True, leave=True, miniters=1, mininterval=0)


class JsonReporter:
    """One object on one line for each torrent that changed, at most one a second; its fields are those of the snapshot."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self.output, self.clock = output, clock
        self._last: dict[str, tuple[float, dict[str, Any]]] = {}

    def say(self, sentence: str) -> None:
        """An object of its own."""
        self.output.emit("notice", message=sentence)

    def update(self, snapshot: SessionSnapshot) -> None:
        """Print an object for each torrent that changed."""
        now = self.clock.monotonic()
        for torrent in snapshot.torrents:
            self._emit(torrent, now, at_once=False)

    def close(self, snapshot: SessionSnapshot) -> None:
        """Print how each ended, even within a second of its last object."""
        for torrent in snapshot.torrents:
            self._emit(torrent, self.clock.monotonic(), at_once=True)

    def _emit(self, torrent: TorrentSnapshot, now: float, *, at_once: bool) -> None:
        time, before = self._last.get(torrent.info_hash, (-JSON_INTERVAL, {}))
        values = {field.name: getattr(torrent, field.name) for field in dataclasses.fields(torrent)}
        values |= {"peers": len(torrent.peers), "trackers": [tracker.status for tracker in torrent.trackers]}
        urgent = at_once or values["state"] != before.get("state")
        if values != before and (urgent or now - time >= JSON_INTERVAL):
            self._last[torrent.info_hash] = (now, values)
            self.output.emit("torrent", **values)


class HashBar:
    """The progress of hashing a new torrent: a bar on a terminal, nothing elsewhere. Called with bytes done and in all."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        if not is_live(self._output):
            return
        if self._bar is None:
            self._bar = new_bar(self._output, total)
        self._bar.n = done
        self._bar.set_description_str(f"hashing, {percent(done / total)} of {size(total)}", refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.close()
