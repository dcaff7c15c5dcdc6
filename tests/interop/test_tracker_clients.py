"""Other people's clients find each other through our tracker, over IPv4 and IPv6, and its counts tell what they did.

Found by trying them: told to announce every second, libtorrent never says `stopped`, so the interval is the usual one; aria2
that leaves when it is complete says `stopped` at once and never `completed`, so its download is not counted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import bencodepy
import pytest

pytest.importorskip("libtorrent")

from gotorrent.config import TrackerConfig
from tests.interop.aria2 import Aria2
from tests.interop.content import difference, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

SECONDS = 20.0


@pytest.fixture
def server():
    with TrackerServer(TrackerConfig(threads=2), port=0) as running:
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("leecher", ["libtorrent", "aria2"])
def test_a_swarm_meets_finishes_and_is_counted(server: TrackerServer, tmp_path: Path, host: str, leecher: str) -> None:
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "talk.bin", 1_000_001)
    torrent = make_torrent(original, tmp_path / "t.torrent", f"http://{host}:{server.port}/announce", tmp_path / "make.log")
    info = bencodepy.decode(torrent.read_bytes())[b"info"]
    info_hash = hashlib.sha1(bencodepy.encode(info)).digest()

    def counts(expected: tuple[int, int, int], what: str) -> None:
        wait_until(lambda: server.tracker.store.scrape([info_hash]) == [expected], SECONDS, what)

    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log", host=host):
        counts((1, 0, 0), "the seed has announced")
        if leecher == "aria2":
            with Aria2(torrent, tmp_path / "got", tmp_path / "leech.log") as aria2:
                assert aria2.wait(SECONDS) == 0, aria2.tail()
        else:
            with LibtorrentPeer(torrent, tmp_path / "got", tmp_path / "leech.log", host=host) as libtorrent:
                wait_until(lambda: libtorrent.status()["complete"], SECONDS, "libtorrent is complete")
                counts((2, 1, 0), "the leecher has become a seed, and a download")
        downloaded = int(leecher == "libtorrent")
        counts((1, downloaded, 0), "the leecher has left")
    counts((0, downloaded, 0), "the seed has left")
    assert difference(original, tmp_path / "got" / original.name) == ""
