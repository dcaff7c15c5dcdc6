"""Transmission: a `transmission-daemon` with a configuration folder of its own. Needs Debian's package `transmission-daemon`.

Found by trying version 3.00: it never dials an address of 127/8, but accepts connections from there. On loopback the other
side must dial; in a network namespace (`tests.interop.namespaces`) both sides can. It unchokes on a tick of 10 s.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.interop.namespaces import Cable
from tests.interop.programs import Program, free_port, need
from tests.waiting import wait_until


class Transmission(Program):
    """A daemon without a torrent yet, on loopback or at the far end of a cable."""

    def __init__(self, configuration: Path, log: Path, cable: Cable | None = None) -> None:
        """`configuration` is a folder of its own. Returns when the daemon takes commands."""
        daemon = need("transmission-daemon")
        prefix = cable.prefix if cable else ()
        host = self._host = cable.there if cable else "127.0.0.1"
        self.port, self._rpc_port = free_port(), free_port()
        configuration.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind-address-ipv4": host,
            "bind-address-ipv6": "::1",
            "dht-enabled": False,
            "lpd-enabled": False,
            "peer-port": self.port,
            "port-forwarding-enabled": False,
            "rpc-bind-address": host,
            "rpc-host-whitelist-enabled": False,
            "rpc-port": self._rpc_port,
            "rpc-whitelist-enabled": False,
            "utp-enabled": False,
        }
        (configuration / "settings.json").write_text(json.dumps(settings))
        super().__init__([*prefix, daemon, "--foreground", "--log-debug", "--config-dir", configuration], log)
        self._session_id = ""
        wait_until(lambda: self.running() and self._answers(), 10, "transmission-daemon answers")

    def add(self, torrent: Path, folder: Path) -> None:
        """Start `torrent`; what already lies in `folder` is checked and seeded."""
        metainfo = base64.b64encode(torrent.read_bytes()).decode()
        self._call("torrent-add", {"metainfo": metainfo, "download-dir": str(folder), "paused": False})

    def progress(self) -> float:
        """How much of its torrent is here and checked, 0 to 1."""
        torrents = self._call("torrent-get", {"fields": ["percentDone", "status", "errorString"]})["torrents"]
        checking = (1, 2)
        return min((0.0 if one["status"] in checking else float(one["percentDone"]) for one in torrents), default=0.0)

    def stop_torrents(self) -> None:
        """Leave all swarms, and tell their trackers."""
        self._call("torrent-stop", {})

    def counts(self) -> tuple[int, int, int]:
        """What its tracker said of its one torrent: seeds, downloads, leechers (BEP 48, 15); -1 for what it did not say."""
        (torrent,) = self._call("torrent-get", {"fields": ["trackerStats"]})["torrents"]
        (tracker,) = torrent["trackerStats"]
        return tracker["seederCount"], tracker["downloadCount"], tracker["leecherCount"]

    def _answers(self) -> bool:
        try:
            self._call("session-get", {})
        except OSError:
            return False
        return True

    def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """One remote procedure call; the daemon first answers 409 with the session id that it wants to see."""
        for _ in range(2):
            request = urllib.request.Request(
                f"http://{self._host}:{self._rpc_port}/transmission/rpc",
                json.dumps({"method": method, "arguments": arguments}).encode(),
                {"X-Transmission-Session-Id": self._session_id},
            )
            try:
                with urllib.request.urlopen(request, timeout=5) as response:
                    answer = json.load(response)
            except urllib.error.HTTPError as error:
                with error:
                    self._session_id = error.headers.get("X-Transmission-Session-Id", "")
                if error.code != 409:
                    raise
            else:
                assert answer["result"] == "success", f"{method}: {answer['result']}"
                return dict(answer["arguments"])
        raise AssertionError(f"transmission-daemon refuses {method}")
