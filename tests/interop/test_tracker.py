"""Our tracker brings other people's clients together: none of ours takes part here but the tracker."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("libtorrent")

from tests.interop.aria2 import Aria2
from tests.interop.content import difference, make_file, make_folder
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.interop.ours import wait_for_seeds
from tests.waiting import wait_until


def test_libtorrent_downloads_from_libtorrent(tracker: str, tmp_path: Path) -> None:
    original = make_folder(tmp_path / "sent" / "föld èr")
    torrent = make_torrent(original, tmp_path / "t.torrent", tracker, tmp_path / "make.log")
    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log"):
        wait_for_seeds(tracker, torrent)
        with LibtorrentPeer(torrent, tmp_path / "got", tmp_path / "leech.log") as leech:
            wait_until(lambda: leech.status()["complete"], 20, "libtorrent is complete")
    assert difference(original, tmp_path / "got" / original.name) == ""


def test_aria2_downloads_from_libtorrent(tracker: str, tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "file.bin", 5_000_001)
    torrent = make_torrent(original, tmp_path / "t.torrent", tracker, tmp_path / "make.log")
    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log"):
        wait_for_seeds(tracker, torrent)
        with Aria2(torrent, tmp_path / "got", tmp_path / "aria2.log") as aria2:
            assert aria2.wait(20) == 0, aria2.tail()
    assert difference(original, tmp_path / "got" / original.name) == ""
