"""A mixed swarm loses its only seed, and the five that remain must finish from each other.

The seed leaves when it has uploaded one and a half copies and every piece is out. Five peers that ask one slow seed at once fetch
some pieces twice before they hear of each other's, so the second comes after the first: at about two copies. Ours are then nearly
done; the two libtorrents, slowed down until then, have a third.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("libtorrent")

from tests.interop.content import difference, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer, make_torrent
from tests.interop.ours import OurClient, wait_for_seeds
from tests.waiting import wait_until

SIZE = 8_000_003
PIECE = 65_536
COPIES = 1.5  # what the seed gives before it leaves, in uploaded bytes
SEED_RATE = 2_000_000  # bytes per second
SLOW = 300_000  # bytes per second for the two libtorrents, so that they are far from done when the seed leaves


def all_is_out(original: Path, copies: list[Path]) -> bool:
    """Does every piece of `original` lie in at least one of `copies`?"""
    wanted = original.read_bytes()
    found = [copy.read_bytes() for copy in copies if copy.is_file()]
    return all(any(data[at : at + PIECE] == wanted[at : at + PIECE] for data in found) for at in range(0, len(wanted), PIECE))


def test_the_only_seed_leaves_after_one_and_a_half_copies(tracker: str, tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    original = make_file(tmp_path / "sent" / "file.bin", SIZE)
    torrent = make_torrent(original, tmp_path / "t.torrent", tracker, tmp_path / "make.log", PIECE)
    copies = {name: tmp_path / name / original.name for name in ("ours 1", "ours 2", "ours 3", "theirs 1", "theirs 2")}
    with ExitStack() as programs:
        with LibtorrentPeer(torrent, original.parent, tmp_path / "seed.log", upload_limit=SEED_RATE) as seed:
            wait_for_seeds(tracker, torrent)
            for name in ("ours 1", "ours 2", "ours 3"):
                programs.enter_context(OurClient(torrent, tmp_path / name, tmp_path / f"{name}.log"))
            theirs = [
                programs.enter_context(LibtorrentPeer(torrent, tmp_path / name, tmp_path / f"{name}.log", download_limit=SLOW))
                for name in ("theirs 1", "theirs 2")
            ]
            wait_until(lambda: seed.status()["uploaded"] >= COPIES * SIZE, 15, f"the seed has sent {COPIES} copies")
            wait_until(lambda: all_is_out(original, list(copies.values())), 5, "every piece is out")
            assert not any(peer.status()["complete"] for peer in theirs), "nobody needs the others"
        for peer in theirs:
            peer.limit_download(0)
        for name, copy in copies.items():
            wait_until(lambda copy=copy: not difference(original, copy), 15, f"{name} is complete")
