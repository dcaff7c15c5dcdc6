"""The page over the real client: a torrent is uploaded, and its content comes from a real seed through a real tracker."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gotorrent.cli.share import Client
from gotorrent.config import ClientConfig, TrackerConfig
from gotorrent.metainfo.create import CreateOptions, create
from gotorrent.session.session import Session
from tests.browser.pages import card, percent, upload, wait_for_state
from web_ui.client_app import UiServer
from web_ui.tracker_server import TrackerServer

SIZE = 8 * 1024 * 1024


def test_an_uploaded_torrent_downloads_and_seeds(open_page: Callable[..., Any], tmp_path: Path) -> None:
    content = tmp_path / "here" / "talk.bin"
    content.parent.mkdir()
    content.write_bytes(random.Random(7).randbytes(SIZE))
    downloads = tmp_path / "downloads"
    with TrackerServer(TrackerConfig(host="127.0.0.1", port=0, announce_interval=1, min_interval=1)) as tracker:
        torrent = create(content, CreateOptions(trackers=((tracker.urls[0],),)))
        seed = Session(ClientConfig(), tmp_path / "seed", peer_port=0)
        ours = Session(ClientConfig(), tmp_path / "ours", peer_port=0)
        server = UiServer(Client(ours, downloads, []), 0)
        try:
            ours.start()
            server.start()
            page = open_page(server.url)
            assert upload(page, ("talk.bin.torrent", torrent.data)) == ["talk.bin.torrent was added."]
            wait_for_state(page, "talk.bin", "Downloading")
            assert percent(page, "talk.bin") == 0.0
            seed.start()
            seed.add(torrent.metainfo, content.parent)
            wait_for_state(page, "talk.bin", "Seeding")
            assert percent(page, "talk.bin") == 100.0
            card(page, "talk.bin").locator(".name").click()
            page.get_by_text(str(downloads)).wait_for()
            assert (downloads / "talk.bin").read_bytes() == content.read_bytes()
        finally:
            server.stop()
            ours.stop()
            seed.stop()
