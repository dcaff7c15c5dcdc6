"""Our tracker between two machines, the other one in a network namespace: Transmission, and a seed that it knows by loopback only.

Found by trying it: Transmission 3.00 shows what the last announce or scrape told it, and over UDP only a scrape, of which it makes
one in a while, tells how often a torrent was downloaded. When the daemon ends it does not wait for `stopped` to go out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bencodepy
import pytest

pytest.importorskip("libtorrent")

from gotorrent.config import TrackerConfig
from gotorrent.tracker.counters import HTTP4, HTTP6, UDP4, UDP6
from gotorrent.wire.compact import is_loopback
from tests.interop.content import difference, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.interop.namespaces import Cable, cable
from tests.interop.programs import free_port
from tests.interop.transmission import Transmission
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

SECONDS = 28.0


@pytest.fixture
def nothing_leaves_this_machine() -> None:
    """Instead of the guard of all other tests: these talk to the other end of a cable that they made themselves."""


@pytest.fixture
def ends() -> Iterator[Cable]:
    with cable() as made:
        yield made


@pytest.fixture
def server() -> Iterator[TrackerServer]:
    with TrackerServer(TrackerConfig(threads=2), port=0) as running:
        yield running


def readdress(torrent: Path, tracker: str) -> Path:
    """A copy of `torrent` that names another address of its tracker."""
    metainfo = bencodepy.decode(torrent.read_bytes())
    metainfo[b"announce"] = tracker.encode()
    copy = torrent.with_name("readdressed.torrent")
    copy.write_bytes(bencodepy.encode(metainfo))
    return copy


@pytest.mark.parametrize(
    ("scheme", "door", "counted"),
    [("http", HTTP4, [(2, 1, 0)]), ("udp", UDP4, [(2, 1, 0), (2, 0, 0), (2, -1, 0)])],  # downloads: as of its last scrape
)
def test_transmission_downloads_and_reads_the_right_counts(
    server: TrackerServer, ends: Cable, tmp_path: Path, scheme: str, door: int, counted: list[tuple[int, int, int]]
) -> None:
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "talk.bin", 1_000_001)
    url = f"{scheme}://{ends.here}:{server.udp_port if scheme == 'udp' else server.port}/announce"
    torrent = make_torrent(original, tmp_path / "t.torrent", url, tmp_path / "make.log")
    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log", host=ends.here):
        wait_until(lambda: server.tracker.store.totals().seeds == 1, SECONDS, "the seed has announced")
        with Transmission(tmp_path / "configuration", tmp_path / "transmission.log", ends) as transmission:
            transmission.add(torrent, tmp_path / "got")
            wait_until(lambda: transmission.progress() == 1, SECONDS, "Transmission is complete")
            wait_until(lambda: server.tracker.store.totals()[1:] == (2, 0, 1), SECONDS, "it has announced that")
            wait_until(lambda: transmission.counts() in counted, SECONDS, "Transmission reads the right counts")
            transmission.stop_torrents()
            wait_until(lambda: server.tracker.store.totals()[1:] == (1, 0, 1), SECONDS, "Transmission has left")
    assert difference(original, tmp_path / "got" / original.name) == ""
    announces = server.tracker.counters.announces
    assert [each for each in range(4) if announces[each]] == [door], "all came through one door"


@pytest.mark.parametrize(("scheme", "family", "door"), [("http", 4, HTTP4), ("http", 6, HTTP6), ("udp", 4, UDP4), ("udp", 6, UDP6)])
def test_a_seed_known_by_loopback_is_found_from_another_machine(
    server: TrackerServer, ends: Cable, tmp_path: Path, scheme: str, family: int, door: int
) -> None:
    loopback, everywhere, here, there = {
        4: ("127.0.0.1", "0.0.0.0", ends.here, ends.there),
        6: ("[::1]", "[::]", f"[{ends.here6}]", f"[{ends.there6}]"),
    }[family]
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "talk.bin", 1_000_001)
    port = server.udp_port if scheme == "udp" else server.port
    torrent = make_torrent(original, tmp_path / "t.torrent", f"{scheme}://{loopback}:{port}/announce", tmp_path / "make.log")
    readdressed = readdress(torrent, f"{scheme}://{here}:{port}/announce")
    with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log", host=everywhere, port=free_port()):
        wait_until(lambda: server.tracker.store.totals().seeds == 1, SECONDS, "the seed has announced")
        assert is_loopback(server.tracker.counters.recent[-1].peer), "the tracker knows it by loopback only"
        with LibtorrentPeer(readdressed, tmp_path / "got", tmp_path / "leech.log", host=there, prefix=ends.prefix) as leech:
            wait_until(lambda: leech.status()["complete"], SECONDS, "the other machine's copy is complete")
            leech.scrape((2, 1, 0))
    assert difference(original, tmp_path / "got" / original.name) == ""
    assert [each for each in range(4) if server.tracker.counters.announces[each]] == [door]
