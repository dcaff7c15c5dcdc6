"""Other people's clients find each other through our tracker: libtorrent and aria2, over IPv4 and IPv6, all on loopback."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import ExitStack

import bencodepy
import pytest

from gotorrent.config import TrackerConfig
from tests.waiting import wait_until
from web_ui.tracker_server import TrackerServer

libtorrent = pytest.importorskip("libtorrent")
aria2 = shutil.which("aria2c")
needs_aria2 = pytest.mark.skipif(aria2 is None, reason="aria2c is not installed")

CONTENT = bytes(range(256)) * 1024 + b"the last piece is short"
NAME = "talk.bin"
SECONDS = 60.0


@pytest.fixture
def tracker():
    with TrackerServer(TrackerConfig(threads=2, announce_interval=1, min_interval=1), port=0) as server:
        yield server


@pytest.fixture
def folders(tmp_path):
    """A folder that has the content and one that wants it."""
    seed, leech = tmp_path / "seed", tmp_path / "leech"
    seed.mkdir()
    leech.mkdir()
    (seed / NAME).write_bytes(CONTENT)
    return seed, leech


def make_torrent(tmp_path, url):
    """A .torrent for NAME whose only tracker is `url`."""
    size = 16384
    pieces = b"".join(hashlib.sha1(CONTENT[at : at + size]).digest() for at in range(0, len(CONTENT), size))
    info = {b"length": len(CONTENT), b"name": NAME.encode(), b"piece length": size, b"pieces": pieces}
    path = tmp_path / "talk.torrent"
    path.write_bytes(bencodepy.encode({b"announce": url.encode(), b"info": info}))
    return path, hashlib.sha1(bencodepy.encode(info)).digest()


class Libtorrent:
    """A libtorrent session that knows peers from trackers only."""

    def __init__(self, host, torrent, folder):
        bracketed = f"[{host}]" if ":" in host else host
        settings = {
            "listen_interfaces": f"{bracketed}:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
            "min_announce_interval": 1,
        }
        self.session = libtorrent.session(settings)
        parameters = libtorrent.add_torrent_params()
        parameters.ti = libtorrent.torrent_info(str(torrent))
        parameters.save_path = str(folder)
        self.handle = self.session.add_torrent(parameters)

    def seeding(self):
        return self.handle.status().is_seeding

    def close(self):
        handle, self.handle = self.handle, None
        self.session.remove_torrent(handle)
        del handle
        self.session = None


class Aria2:
    """An aria2 process that knows peers from trackers only."""

    def __init__(self, host, torrent, folder):
        command = [
            aria2, "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
            f"--disable-ipv6={'false' if ':' in host else 'true'}", "--seed-ratio=0", "--check-integrity=true",
            "--listen-port=20000-60000", "--no-conf=true", "--bt-tracker-interval=1", "--follow-torrent=true",
            "--file-allocation=none", f"--dir={folder}", str(torrent),
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    ("seed", "leech"),
    [
        (Libtorrent, Libtorrent),
        pytest.param(Libtorrent, Aria2, marks=needs_aria2),
        pytest.param(Aria2, Libtorrent, marks=needs_aria2),
    ],
)
def test_a_swarm_meets_and_finishes(tracker, folders, tmp_path, host, seed, leech):
    bracketed = f"[{host}]" if ":" in host else host
    torrent, info_hash = make_torrent(tmp_path, f"http://{bracketed}:{tracker.port}/announce")
    seed_folder, leech_folder = folders
    with ExitStack() as stack:
        seeder = seed(host, torrent, seed_folder)
        stack.callback(seeder.close)
        wait_until(lambda: tracker.swarms.scrape(info_hash)[0] == 1, SECONDS, "the seed has announced")
        leecher = leech(host, torrent, leech_folder)
        stack.callback(leecher.close)
        copy = leech_folder / NAME
        wait_until(lambda: copy.exists() and copy.read_bytes() == CONTENT, SECONDS, "the leecher has it all")
        wait_until(lambda: tracker.swarms.scrape(info_hash) == (2, 1, 0), SECONDS, "the tracker has counted the download")
    wait_until(lambda: tracker.swarms.scrape(info_hash) == (0, 1, 0), SECONDS, "both have said that they stopped")
