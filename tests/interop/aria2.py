"""aria2 as a downloader of one torrent: it leaves when its copy is complete. Needs Debian's package `aria2`.

Found by trying 1.36: it asks a tracker over UDP only while its DHT is on, and never over IPv6.
"""

from __future__ import annotations

from pathlib import Path

from tests.interop.programs import Program, free_port, need


class Aria2(Program):
    """`aria2c` with everything off that would look for peers elsewhere than at the tracker."""

    def __init__(self, torrent: Path, folder: Path, log: Path, *, udp: bool = False) -> None:
        """`udp` switches the DHT on, which knows no node but this one and never finds another."""
        options = {
            "dir": folder,
            "listen-port": free_port(),
            "seed-time": 0,
            "enable-dht": str(udp).lower(),
            "dht-listen-port": free_port(),
            "dht-file-path": log.with_suffix(".dht"),
            "enable-dht6": "false",
            "bt-enable-lpd": "false",
            "enable-peer-exchange": "false",
            "file-allocation": "none",
            "console-log-level": "info",
            "show-console-readout": "false",
            "summary-interval": 0,
        }
        command = [need("aria2c"), "--no-conf", *(f"--{key}={value}" for key, value in options.items()), str(torrent)]
        super().__init__(command, log)
