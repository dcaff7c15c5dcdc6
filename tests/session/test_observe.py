"""Snapshots: what the engine's numbers become for those who watch."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gotorrent.discovery.announcer import TrackerStatus
from gotorrent.errors import ReadError, WriteError
from gotorrent.session.observe import observe
from gotorrent.session.snapshot import TorrentSnapshot
from gotorrent.swarm.torrent import Torrent
from gotorrent.wire.bitfield import Bitfield
from tests.storage.content import PIECE, folder, make_bytes, single

NOW = 1000.0
FILE = single("talk.pdf", make_bytes(4 * PIECE))
FOLDER, _ = folder("Übung", [("sub/a", PIECE), ("b", 3 * PIECE)])


def meter(rate: float, total: int = 0) -> SimpleNamespace:
    def per_second(now: float) -> float:
        assert now == NOW
        return rate

    return SimpleNamespace(per_second=per_second, total=total)


def bits(*pieces: int) -> Bitfield:
    field = Bitfield(4)
    for piece in pieces:
        field.add(piece)
    return field


def peer(**changes: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "address": ("192.0.2.7", 6881), "peer_id": b"-LT2110-" + b"x" * 12, "bits": bits(0, 1), "useful": 0, "down": 0.0, "up": 0.0,
        "am_choking": True, "am_interested": False, "peer_choking": True, "peer_interested": False, "incoming": False, **changes,
    }  # fmt: skip
    values["downloader"] = SimpleNamespace(rate=meter(values.pop("down"), 111))
    values["upload_rate"] = meter(values.pop("up"), 222)
    return SimpleNamespace(**values)


def seen(
    *peers: SimpleNamespace,
    trackers: tuple[TrackerStatus, ...] = (),
    metainfo: Any = FILE,
    have: Bitfield | None = None,
    **changes: Any,
) -> TorrentSnapshot:
    """The snapshot of a torrent that is downloading and has half, with some things changed."""
    have = have or bits(0, 1)
    manager = SimpleNamespace(have=have, left=(4 - have.count) * PIECE, missing_everywhere=lambda: changes.get("missing"))
    values: dict[str, Any] = {
        "metainfo": metainfo, "manager": manager, "state": "downloading", "checked": 1.0, "dialling": 0, "error": None,
        "pool": SimpleNamespace(count=0), "info_hash": metainfo.info_hash, "content": SimpleNamespace(folder=Path("/d")),
        "downloaded": 5, "uploaded": 6, "peers": lambda: list(peers), **changes,
    }  # fmt: skip
    return observe(cast(Torrent, SimpleNamespace(**values)), trackers, NOW)


def status(state: str, **changes: Any) -> TrackerStatus:
    values: dict[str, Any] = {
        "url": "http://t/announce", "state": state, "last_error": "", "seeds": 1, "leechers": 2, "peers": 3,
        "next_announce": NOW + 30, "warning": "", **changes,
    }  # fmt: skip
    return TrackerStatus(**values)


def test_the_numbers_of_a_torrent() -> None:
    found = seen()
    assert found.info_hash == FILE.info_hash.hex()
    assert (found.name, found.path) == ("talk.pdf", "/d/talk.pdf")
    assert (found.total, found.left, found.piece_count, found.have_count, found.progress) == (4 * PIECE, 2 * PIECE, 4, 2, 0.5)
    assert (found.downloaded, found.uploaded) == (5, 6)


def test_the_path_of_a_folder_is_the_folder() -> None:
    assert seen(metainfo=FOLDER).path == "/d/Übung"


def test_rates_are_those_of_the_peers_and_give_the_time_left() -> None:
    found = seen(peer(down=PIECE / 2, up=3.0), peer(down=PIECE / 2, up=4.0))
    assert (found.down_rate, found.up_rate, found.eta) == (PIECE, 7.0, 2.0)
    assert found.waiting_for == ""


@pytest.mark.parametrize("rate", [0.0, 0.9])
def test_a_trickle_gives_no_time_and_a_sentence(rate: float) -> None:
    found = seen(peer(down=rate), missing=3)
    assert found.eta is None
    assert found.waiting_for == "1 peer, which does not have piece 3"


def test_a_seed_has_no_time_left_and_moves_when_it_sends() -> None:
    full = Bitfield.full(4)
    idle, busy = seen(peer(down=9.0), state="seeding", have=full), seen(peer(up=9.0), state="seeding", have=full)
    assert idle.waiting_for == "complete; 1 peer, nobody wants anything"
    assert busy.waiting_for == ""
    assert idle.eta is busy.eta is None


def test_what_peers_have_and_allow_makes_the_sentence() -> None:
    assert "busy with others" in seen(peer(useful=2)).waiting_for
    assert "1 peer asked" in seen(peer(useful=2, peer_choking=False), peer(peer_choking=False)).waiting_for
    assert "their requests" in seen(peer(peer_interested=True), state="seeding", have=Bitfield.full(4)).waiting_for
    assert seen(dialling=2).waiting_for == "connecting to 2 peers"
    assert seen(pool=SimpleNamespace(count=4)).waiting_for.startswith("4 peers known")


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"state": "downloading"}, 7, ""),
        ({"state": "checking"}, 7, ""),
        ({"state": "stopped"}, 7, ""),
        ({"state": "stopped", "have": Bitfield.full(4)}, 0, ""),
        ({"state": "seeding", "have": Bitfield.full(4)}, 0, ""),
        ({"state": "error", "error": ReadError("gone")}, 4, "gone"),
        ({"state": "error", "error": WriteError("full"), "have": Bitfield.full(4)}, 5, "full"),
    ],
)
def test_the_exit_code_and_the_error(changes: dict[str, Any], code: int, text: str) -> None:
    found = seen(**changes)
    assert (found.exit_code, found.error) == (code, text)


def test_a_peer() -> None:
    (found,) = seen(peer(down=5.0, up=6.0, am_interested=True, incoming=True)).peers
    assert (found.address, found.client, found.progress) == ("192.0.2.7:6881", "libtorrent 2.1.1", 0.5)
    assert (found.down_rate, found.up_rate, found.downloaded, found.uploaded) == (5.0, 6.0, 111, 222)
    assert (found.am_choking, found.am_interested, found.peer_choking, found.peer_interested) == (True, True, True, False)
    assert found.incoming


def test_an_ipv6_peer_is_written_with_brackets() -> None:
    (found,) = seen(peer(address=("2001:db8::7", 6881), peer_id=b"\xff" * 20)).peers
    assert (found.address, found.client) == ("[2001:db8::7]:6881", "")


@pytest.mark.parametrize(
    ("tracker", "words", "due"),
    [
        (status("waiting"), "not asked yet", 30.0),
        (status("announcing"), "waiting for an answer", 30.0),
        (status("working"), "working, 3 peers", 30.0),
        (status("working", peers=1), "working, 1 peer", 30.0),
        (status("failed", last_error="answered 500", next_announce=NOW - 5), "answered 500", 0.0),
        (status("unsupported", last_error="UDP", next_announce=math.inf), "UDP", None),
        (status("working", warning="slow down"), "working, 3 peers; it says: slow down", 30.0),
    ],
)
def test_a_tracker(tracker: TrackerStatus, words: str, due: float | None) -> None:
    (found,) = seen(trackers=(tracker,)).trackers
    assert (found.url, found.status, found.seeds, found.leechers, found.next_announce) == ("http://t/announce", words, 1, 2, due)
