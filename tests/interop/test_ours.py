"""Our client and one of somebody else's, through our tracker: each side sends once and fetches once."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("libtorrent")

from tests.interop.aria2 import Aria2
from tests.interop.content import difference, make_folder
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.interop.ours import OurClient, create, wait_for_seeds
from tests.interop.transmission import Transmission
from tests.waiting import wait_until


def test_libtorrent_seeds_and_we_download(tracker: str, tmp_path: Path) -> None:
    original = make_folder(tmp_path / "sent" / "föld èr")
    torrent = make_torrent(original, tmp_path / "t.torrent", tracker, tmp_path / "make.log")
    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log") as seed:
        wait_for_seeds(tracker, torrent)
        with OurClient(torrent, tmp_path / "got", tmp_path / "ours.log", leave=True) as ours:
            assert ours.wait(20) == 0, ours.tail()
        uploaded = seed.status()["uploaded"]
    assert difference(original, tmp_path / "got" / original.name) == ""
    assert uploaded == sum(path.stat().st_size for path in original.rglob("*") if path.is_file())


def test_we_seed_and_libtorrent_downloads(tracker: str, tmp_path: Path) -> None:
    original = make_folder(tmp_path / "sent" / "föld èr")
    torrent = create(original, tracker)
    with OurClient(torrent, original.parent, tmp_path / "ours.log") as ours:
        wait_for_seeds(tracker, torrent)
        with LibtorrentPeer(torrent, tmp_path / "got", tmp_path / "leech.log") as leech:
            wait_until(lambda: ours.running() and leech.status()["complete"], 20, "libtorrent is complete")
        assert ours.stop() == 0, ours.tail()
    assert difference(original, tmp_path / "got" / original.name) == ""


def test_we_seed_and_aria2_downloads(tracker: str, tmp_path: Path) -> None:
    original = make_folder(tmp_path / "sent" / "föld èr")
    torrent = create(original, tracker)
    with OurClient(torrent, original.parent, tmp_path / "ours.log"):
        wait_for_seeds(tracker, torrent)
        with Aria2(torrent, tmp_path / "got", tmp_path / "aria2.log") as aria2:
            assert aria2.wait(25) == 0, aria2.tail()
    assert difference(original, tmp_path / "got" / original.name) == ""


def test_transmission_seeds_and_we_download(tracker: str, tmp_path: Path) -> None:
    original = make_folder(tmp_path / "sent" / "föld èr")
    torrent = create(original, tracker)
    with Transmission(tmp_path / "configuration", tmp_path / "transmission.log") as transmission:
        transmission.add(torrent, original.parent)
        wait_for_seeds(tracker, torrent)
        with OurClient(torrent, tmp_path / "got", tmp_path / "ours.log", leave=True) as ours:
            assert ours.wait(25) == 0, ours.tail()
    assert difference(original, tmp_path / "got" / original.name) == ""
