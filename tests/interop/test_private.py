"""A private tracker and somebody else's client: a key in the announce URL works over HTTP and UDP (BEP 41), none does not."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("libtorrent")

from gotorrent.config import TrackerConfig
from gotorrent.tracker.access import add_key
from tests.interop.content import difference, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

SECONDS = 20.0


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_libtorrent_downloads_with_a_key_and_is_refused_without(tmp_path: Path, scheme: str) -> None:
    key = add_key(tmp_path / "keys", "Ada", "2026-11-23")
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "talk.bin", 500_001)
    with TrackerServer(TrackerConfig(threads=2, passkey_file=str(tmp_path / "keys")), port=0) as server:
        url = f"{scheme}://127.0.0.1:{server.udp_port if scheme == 'udp' else server.port}/announce"
        without = make_torrent(original, tmp_path / "without.torrent", url, tmp_path / "make.log")
        with LibtorrentPeer(without, original.parent, tmp_path / "stranger.log"):
            wait_until(lambda: sum(server.tracker.counters.refused) > 0, SECONDS, "the stranger is refused")
        assert server.tracker.store.totals() == (0, 0, 0, 0)
        torrent = make_torrent(original, tmp_path / "with.torrent", f"{url}/{key}", tmp_path / "make.log")
        with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log"):
            wait_until(lambda: server.tracker.store.totals().seeds == 1, SECONDS, "the seed has announced")
            with LibtorrentPeer(torrent, tmp_path / "got", tmp_path / "leech.log") as leech:
                wait_until(lambda: leech.status()["complete"], SECONDS, "libtorrent is complete")
    assert difference(original, tmp_path / "got" / original.name) == ""
