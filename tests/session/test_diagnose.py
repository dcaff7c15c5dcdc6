"""Every sentence about why nothing is happening, as a table."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gotorrent.discovery.announcer import TrackerStatus
from gotorrent.session.diagnose import Facts, waiting_for

NOW = 1000.0
URL, OTHER = "http://t.example/announce", "http://u.example/announce"

BUSY = "with what we need, but busy with others: waiting for a turn (choked)"


def tracker(state: str, error: str = "", url: str = URL, due: float = 30.0) -> TrackerStatus:
    values: dict[str, Any] = {"url": url, "state": state, "last_error": error, "next_announce": NOW + due}
    return TrackerStatus(**values, seeds=None, leechers=None, peers=0, warning="")


WORKING, ASKING = tracker("working"), tracker("announcing")
FAILED = tracker("failed", "refused the connection")
UDP = tracker("unsupported", "is reached over UDP, which GoTorrent does not speak yet", OTHER, math.inf)


def facts(**changes: Any) -> Facts:
    """A download that has nothing, knows nobody, and whose tracker works."""
    values: dict[str, Any] = {
        "state": "downloading", "name": "talk.pdf", "checked": 0.0, "have_anything": False, "peers": 0, "useful": 0, "letting": 0,
        "interested": 0, "dialling": 0, "known": 0, "trackers": (WORKING,), "missing_everywhere": None, "moving": False,
    }  # fmt: skip
    return Facts(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        # nothing to say
        ({"moving": True, "peers": 3}, ""),
        ({"moving": True, "state": "seeding"}, ""),
        ({"state": "stopped"}, ""),
        ({"state": "error"}, ""),
        # checking, whatever else is the case
        ({"state": "checking", "checked": 0.426}, "checking what is on disk: 43%"),
        ({"state": "checking", "moving": True}, "checking what is on disk: 0%"),
        # peers, but nothing comes
        ({"peers": 3, "missing_everywhere": 12}, "3 peers, none has piece 12"),
        ({"peers": 1, "missing_everywhere": 0}, "1 peer, which does not have piece 0"),
        ({"peers": 2}, "2 peers, waiting to hear which pieces they have"),
        ({"peers": 3, "useful": 2, "missing_everywhere": 12}, f"2 peers {BUSY}"),
        ({"peers": 1, "useful": 1}, f"1 peer {BUSY}"),
        ({"peers": 4, "useful": 3, "letting": 1}, "1 peer asked, waiting for the first blocks"),
        ({"peers": 4, "useful": 3, "letting": 2}, "2 peers asked, waiting for the first blocks"),
        # nobody
        ({"dialling": 1, "known": 5, "trackers": (FAILED,)}, "connecting to 1 peer"),
        ({"dialling": 7}, "connecting to 7 peers"),
        ({"known": 2, "trackers": (FAILED,)}, "2 peers known, none can be reached; trying again"),
        ({"trackers": (ASKING,)}, f"waiting for the tracker at {URL}"),
        ({"trackers": (tracker("waiting"),)}, f"waiting for the tracker at {URL}"),
        ({"trackers": (FAILED,)}, f"waiting for the tracker at {URL}: refused the connection; next try in 30 s"),
        (
            {"trackers": (tracker("announcing", "answered 500"),)},
            f"waiting for the tracker at {URL}: answered 500; next try in 30 s",
        ),
        (
            {"trackers": (tracker("failed", "timed out", due=-5.0),)},
            f"waiting for the tracker at {URL}: timed out; next try in 0 s",
        ),
        (
            {"trackers": (UDP,)},
            f"waiting for the tracker at {OTHER}: is reached over UDP, which GoTorrent does not speak yet",
        ),
        (
            {"trackers": (FAILED, UDP, tracker("failed", "timed out", OTHER, 4.0))},
            f"waiting for the tracker at {URL} (and 2 more): refused the connection; next try in 4 s",
        ),
        ({"trackers": (FAILED, WORKING), "have_anything": True}, "the tracker knows no other peer of this torrent yet"),
        ({"trackers": ()}, "this torrent names no tracker: give the address of somebody who has it with -peer HOST:PORT"),
        ({}, "nothing here and no seed known: if this is your own torrent, point -dir at the folder that holds talk.pdf"),
        # complete
        ({"state": "seeding"}, "complete; nobody is connected"),
        ({"state": "seeding", "trackers": ()}, "complete; nobody is connected"),
        ({"state": "seeding", "peers": 2}, "complete; 2 peers, nobody wants anything"),
        ({"state": "seeding", "peers": 2, "interested": 1}, "complete; 2 peers, waiting for their requests"),
        (
            {"state": "seeding", "trackers": (FAILED,)},
            f"complete; waiting for the tracker at {URL}: refused the connection; next try in 30 s",
        ),
        ({"state": "seeding", "peers": 1, "trackers": (FAILED,)}, "complete; 1 peer, nobody wants anything"),
    ],
)  # fmt: skip
def test_the_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert waiting_for(facts(**changes), NOW) == sentence
