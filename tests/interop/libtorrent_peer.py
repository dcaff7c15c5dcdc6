"""One libtorrent peer in a process of its own: its threads never mix with ours.

Seen from a test it is `LibtorrentPeer`; run as `python -m tests.interop.libtorrent_peer` it is the peer itself, which answers
each line on its input with one line of JSON and leaves (announcing that it stopped) when its input ends. Found by trying it:
session-wide rate limits do not apply on 127/8, so limits are set per torrent; several peers on one address must be allowed; with
uTP (BEP 29) on, it takes 6 s before it tries TCP; its SSRF mitigation refuses to scrape a tracker on loopback; a session that ends
does not say `stopped` over UDP, a torrent that is paused does. The rest is libtorrent's default, so it offers encryption first.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.interop.programs import Program
from tests.waiting import wait_until

LEAVE_SECONDS = 3.0  # for the tracker to answer to `stopped`
_SCRAPED = ("complete", "downloaded", "incomplete")  # in the order of a UDP scrape


class LibtorrentPeer(Program):
    """A libtorrent session with one torrent; it seeds what it finds in `folder` and fetches the rest."""

    def __init__(
        self,
        torrent: Path,
        folder: Path,
        log: Path,
        *,
        upload_limit: int = 0,
        download_limit: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: Sequence[str] = (),
    ) -> None:
        """Limits are bytes per second, 0 = none. Returns when the data is checked and the port is open.

        `host` and `port` are where it listens (without a port, on a different one at each address), `prefix` the command that
        runs it elsewhere (`namespaces.Cable`).
        """
        limits = ["--upload-limit", str(upload_limit), "--download-limit", str(download_limit)]
        arguments = [str(torrent), str(folder), *limits, "--listen", f"{host}:{port}"]
        super().__init__([*prefix, sys.executable, "-m", __name__, *arguments], log, piped=True)
        wait_until(lambda: self.status()["ready"], 20, "libtorrent has checked its data")
        self.port: int = self.status()["port"]

    def status(self) -> dict[str, Any]:
        """ready, complete (bools), port, uploaded and downloaded (payload bytes), progress (0 to 1), peers (a list of texts)."""
        return self._ask("status")

    def limit_download(self, rate: int) -> None:
        """From now on at most `rate` bytes per second, 0 = no limit."""
        self._ask(f"download-limit {rate}")

    def scrape(self, expected: tuple[int, int, int]) -> None:
        """Scrape once (BEP 48, 15) and return as soon as the answer is `expected`: seeds, downloads, leechers."""
        self._ask("scrape")
        wait_until(lambda: self.status()["scrape"] == [*expected], 10, f"libtorrent scrapes {expected}")

    def _ask(self, question: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.running()
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"libtorrent is gone:\n{self.tail()}"
        return dict(json.loads(answer))

    def stop(self, timeout: float = 10.0) -> int:
        """Close its input: it announces `stopped` and leaves."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(timeout)
        except BaseException:  # whatever it was, the program must not outlive the test
            self.process.kill()
        return super().stop(timeout)


def make_torrent(source: Path, torrent: Path, tracker: str, log: Path, piece_length: int = 65_536) -> Path:
    """Write `torrent` (version 1 only) for the file or folder `source`, as libtorrent writes it."""
    arguments = [str(torrent), str(source), "--create", tracker, "--piece-length", str(piece_length)]
    with Program([sys.executable, "-m", __name__, *arguments], log) as program:
        assert program.wait(20) == 0, program.tail()
    return torrent


def _create(lt: Any, options: argparse.Namespace) -> None:
    source: Path = options.folder
    builder = lt.create_torrent(lt.list_files(str(source)), options.piece_length, lt.create_torrent.v1_only)
    builder.add_tracker(options.create)
    lt.set_piece_hashes(builder, str(source.parent))
    options.torrent.write_bytes(lt.bencode(builder.generate()))


def _session(lt: Any, listen: str) -> Any:
    category = lt.alert_category
    return lt.session(
        {
            "listen_interfaces": listen,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "allow_multiple_connections_per_ip": True,
            "min_announce_interval": 1,
            "ssrf_mitigation": False,
            "alert_queue_size": 100_000,
            "alert_mask": category.error | category.status | category.tracker | category.connect | category.peer,
        }
    )


def _answer(handle: Any, session: Any) -> dict[str, Any]:
    status = handle.status()
    return {
        "ready": str(status.state) not in ("checking_files", "checking_resume_data") and session.listen_port() != 0,
        "complete": status.is_seeding,
        "port": session.listen_port(),
        "uploaded": status.total_payload_upload,
        "downloaded": status.total_payload_download,
        "progress": status.progress,
        "peers": [f"{peer.ip} {peer.client!r}" for peer in handle.get_peer_info()],
        "scrape": [max((t[f"scrape_{what}"] for t in handle.trackers()), default=-1) for what in _SCRAPED],
    }


def _log_alerts(session: Any, leaving: threading.Event) -> None:
    """Print what libtorrent says until it has told the tracker that it leaves, or could not within `LEAVE_SECONDS`."""
    deadline, stopping, told = 0.0, False, False
    while not told and (not deadline or time.monotonic() < deadline):
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            print(alert.what(), alert.message(), file=sys.stderr, flush=True)
            stopping = stopping or (alert.what() == "tracker_announce" and "(stopped)" in alert.message())
            told = told or (stopping and alert.what() in ("tracker_reply", "tracker_error"))
        if leaving.is_set() and not deadline:
            deadline = time.monotonic() + LEAVE_SECONDS


def main() -> None:
    """The peer itself."""
    parser = argparse.ArgumentParser()
    parser.add_argument("torrent", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--upload-limit", type=int, default=0)
    parser.add_argument("--download-limit", type=int, default=0)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS:PORT")
    parser.add_argument("--create", metavar="TRACKER")
    parser.add_argument("--piece-length", type=int, default=65_536)
    options = parser.parse_args()

    import libtorrent as lt

    if options.create is not None:
        _create(lt, options)
        return
    session = _session(lt, options.listen)
    torrent = lt.load_torrent_file(str(options.torrent))
    torrent.save_path = str(options.folder)
    torrent.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(torrent)
    handle.set_upload_limit(options.upload_limit)
    handle.set_download_limit(options.download_limit)
    leaving = threading.Event()
    logger = threading.Thread(target=_log_alerts, args=(session, leaving))
    logger.start()
    for line in sys.stdin:
        command, *values = line.split()
        if command == "download-limit":
            handle.set_download_limit(int(values[0]))
        elif command == "scrape":
            handle.scrape_tracker()
        print(json.dumps(_answer(handle, session)), flush=True)
    handle.pause()
    leaving.set()
    logger.join()


if __name__ == "__main__":
    main()
