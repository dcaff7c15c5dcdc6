"""Other people's clients find each other through every door of our tracker: HTTP and UDP, over IPv4 and IPv6.

Its counts tell what they did, and they read the same by scraping. Found by trying them: told to announce every second, libtorrent
never says `stopped`, so the interval is the usual one; aria2 that leaves when it is complete says `stopped` at once and never
`completed`, so its download is not counted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import bencodepy
import pytest

pytest.importorskip("libtorrent")

from gotorrent.config import TrackerConfig
from gotorrent.tracker.counters import HTTP4, HTTP6, UDP4, UDP6
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


@pytest.mark.parametrize(
    ("leecher", "scheme", "host", "door"),
    [
        ("libtorrent", "http", "127.0.0.1", HTTP4),
        ("libtorrent", "http", "[::1]", HTTP6),
        ("libtorrent", "udp", "127.0.0.1", UDP4),
        ("libtorrent", "udp", "[::1]", UDP6),
        ("aria2", "http", "127.0.0.1", HTTP4),
        ("aria2", "http", "[::1]", HTTP6),
        ("aria2", "udp", "127.0.0.1", UDP4),
    ],
)
def test_a_swarm_meets_finishes_and_is_counted(
    server: TrackerServer, tmp_path: Path, leecher: str, scheme: str, host: str, door: int
) -> None:
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "talk.bin", 1_000_001)
    port = server.udp_port if scheme == "udp" else server.port
    torrent = make_torrent(original, tmp_path / "t.torrent", f"{scheme}://{host}:{port}/announce", tmp_path / "make.log")
    info = bencodepy.decode(torrent.read_bytes())[b"info"]
    info_hash = hashlib.sha1(bencodepy.encode(info)).digest()

    def counts(expected: tuple[int, int, int], what: str) -> None:
        wait_until(lambda: server.tracker.store.scrape([info_hash]) == [expected], SECONDS, what)

    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log", host=host) as seed:
        counts((1, 0, 0), "the seed has announced")
        if leecher == "aria2":
            with Aria2(torrent, tmp_path / "got", tmp_path / "leech.log", udp=scheme == "udp") as aria2:
                assert aria2.wait(SECONDS) == 0, aria2.tail()
        else:
            with LibtorrentPeer(torrent, tmp_path / "got", tmp_path / "leech.log", host=host) as libtorrent:
                wait_until(lambda: libtorrent.status()["complete"], SECONDS, "libtorrent is complete")
                counts((2, 1, 0), "the leecher has become a seed, and a download")
                libtorrent.scrape((2, 1, 0))
        downloaded = int(leecher == "libtorrent")
        counts((1, downloaded, 0), "the leecher has left")
        seed.scrape((1, downloaded, 0))
    counts((0, downloaded, 0), "the seed has left")
    assert difference(original, tmp_path / "got" / original.name) == ""
    announces = server.tracker.counters.announces
    assert [each for each in range(4) if announces[each]] == [door], "all came through one door"
    assert server.tracker.counters.scrapes[door] > 0
    assert sum(server.tracker.counters.refused) == 0
