"""Why is nothing happening? One sentence for each torrent, from plain facts. No BEP rules it.

Pure: the facts go in, a sentence comes out that names what is waited for and, where a person can do something, what. It is empty
while data moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gotorrent.discovery.announcer import TrackerStatus
from gotorrent.swarm.torrent import State


@dataclass(frozen=True)
class Facts:
    """What the sentence is made from. `useful` peers have a piece that we lack, `letting` ones let us have it."""

    state: State
    name: str
    checked: float
    have_anything: bool
    peers: int
    useful: int
    letting: int
    interested: int
    dialling: int
    known: int
    trackers: Sequence[TrackerStatus]
    missing_everywhere: int | None
    moving: bool


def waiting_for(facts: Facts, now: float) -> str:
    """The sentence; `now` is monotonic seconds, for "again in"."""
    if facts.state == "checking":
        return f"checking what is on disk: {facts.checked:.0%}"
    if facts.moving or facts.state not in ("downloading", "seeding"):
        return ""
    if facts.state == "seeding":
        return _seeding(facts, now)
    if not facts.peers:
        return _nobody(facts, now)
    if facts.missing_everywhere is not None and not facts.useful:
        none = "which does not have" if facts.peers == 1 else "none has"
        return f"{_peers(facts.peers)}, {none} piece {facts.missing_everywhere}"
    if not facts.useful:
        return f"{_peers(facts.peers)}, waiting to hear which pieces they have"
    if not facts.letting:
        return f"{_peers(facts.useful)} with what we need, but busy with others: waiting for a turn (choked)"
    return f"{_peers(facts.letting)} asked, waiting for the first blocks"


def _seeding(facts: Facts, now: float) -> str:
    if facts.peers:
        wanting = "nobody wants anything" if not facts.interested else "waiting for their requests"
        return f"complete; {_peers(facts.peers)}, {wanting}"
    trouble = _tracker_trouble(facts.trackers, now)
    return f"complete; {trouble}" if trouble else "complete; nobody is connected"


def _nobody(facts: Facts, now: float) -> str:
    if facts.dialling:
        return f"connecting to {_peers(facts.dialling)}"
    trouble = _tracker_trouble(facts.trackers, now)
    if facts.known:
        return f"{_peers(facts.known)} known, none can be reached; trying again"
    if trouble:
        return trouble
    if not facts.trackers:
        return "this torrent names no tracker: give the address of somebody who has it with -peer HOST:PORT"
    if not facts.have_anything:
        return f"nothing here and no seed known: if this is your own torrent, point -dir at the folder that holds {facts.name}"
    return "the tracker knows no other peer of this torrent yet"


def _tracker_trouble(trackers: Sequence[TrackerStatus], now: float) -> str:
    """Why no tracker helps, "" when one works or there is none."""
    if not trackers or any(t.state == "working" or (t.seeds is not None and not t.last_error) for t in trackers):
        return ""
    failed = [t for t in trackers if t.last_error]
    if not failed:
        return f"waiting for the tracker at {trackers[0].url}"
    first = failed[0]
    wait = max(0.0, min(t.next_announce for t in trackers) - now)
    again = "" if wait == float("inf") else f"; next try in {wait:.0f} s"
    others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"waiting for the tracker at {first.url}{others}: {first.last_error}{again}"


def _peers(count: int) -> str:
    return "1 peer" if count == 1 else f"{count} peers"
