"""Transmission as a downloader on another machine: on loopback it would dial nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("libtorrent")

from tests.interop.content import difference, make_file, make_folder
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.interop.namespaces import cable
from tests.interop.ours import OurClient, create, our_tracker, wait_for_seeds
from tests.interop.transmission import Transmission
from tests.waiting import wait_until


@pytest.fixture
def nothing_leaves_this_machine() -> None:
    """Instead of the guard of all other tests: these talk to the other end of a cable that they made themselves."""


def test_transmission_downloads_from_libtorrent_on_another_machine(tmp_path: Path) -> None:
    original = make_folder(tmp_path / "sent" / "folder")
    with cable() as ends, our_tracker(ends.here) as url:
        torrent = make_torrent(original, tmp_path / "t.torrent", url, tmp_path / "make.log")
        with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log", host=ends.here):
            wait_for_seeds(url, torrent)
            with Transmission(tmp_path / "configuration", tmp_path / "transmission.log", ends) as transmission:
                transmission.add(torrent, tmp_path / "got")
                wait_until(lambda: transmission.progress() == 1, 25, "Transmission is complete")
    assert difference(original, tmp_path / "got" / original.name, empty_files=False) == ""


def test_we_seed_and_transmission_downloads_on_another_machine(tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "file.bin", 3_000_001)
    with cable() as ends, our_tracker(ends.here) as url:
        torrent = create(original, url)
        with OurClient(torrent, original.parent, tmp_path / "ours.log") as ours:
            wait_for_seeds(url, torrent)
            with Transmission(tmp_path / "configuration", tmp_path / "transmission.log", ends) as transmission:
                transmission.add(torrent, tmp_path / "got")
                wait_until(lambda: ours.running() and transmission.progress() == 1, 28, "Transmission is complete")
    assert difference(original, tmp_path / "got" / original.name) == ""
