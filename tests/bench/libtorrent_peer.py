"""The anchor: libtorrent as a seed or as a leech, in a process of its own.

Settings, all in its favour on loopback, everything else is its default (threads for disk and hashing among them): TCP without
encryption and uTP, several peers per address, as many peers and upload slots as there are; up to 1 500 outstanding requests and
3 MiB in the send buffer, as in its own `high_performance_seed`, and at least 1 MiB there from the start: without that, it spends
the first second of each download on growing from 10 KiB. It dials on a tick of half a second, so its clock starts when it dials.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import libtorrent as lt

from tests.bench.usage import answer, cpu_seconds

SETTINGS: dict[str, Any] = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "in_enc_policy": lt.enc_policy.disabled,
    "out_enc_policy": lt.enc_policy.disabled,
    "allow_multiple_connections_per_ip": True,
    "connections_limit": 1000,
    "connection_speed": 1000,
    "unchoke_slots_limit": 1000,
    "max_out_request_queue": 1500,
    "max_allowed_in_request_queue": 2000,
    "send_buffer_watermark": 3 * 1024 * 1024,
    "send_buffer_watermark_factor": 150,
    "send_buffer_low_watermark": 1024 * 1024,
    "alert_mask": lt.alert_category.status | lt.alert_category.error | lt.alert_category.connect,
}


def _torrent(options: argparse.Namespace) -> Any:
    torrent = lt.load_torrent_file(str(options.torrent))
    torrent.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    torrent.save_path = str(options.folder)
    return torrent


def _wait_for(session: Any, kind: Any) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        session.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in session.pop_alerts()):
            return
    raise TimeoutError(f"libtorrent: no {kind.__name__} in 10 minutes")


def main() -> None:
    """Seed at once, or wait for `download PORT...`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["seed", "leech"])
    parser.add_argument("torrent", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    session = lt.session(SETTINGS)

    def download(*ports: str) -> dict[str, Any]:
        torrent = _torrent(options)
        torrent.peers = [("127.0.0.1", int(port)) for port in ports]
        used = cpu_seconds()
        session.add_torrent(torrent)
        _wait_for(session, lt.peer_connect_alert)
        start = time.monotonic()
        _wait_for(session, lt.torrent_finished_alert)
        return {"seconds": time.monotonic() - start, "used": cpu_seconds() - used}

    if options.role == "seed":
        torrent = _torrent(options)
        torrent.flags |= lt.torrent_flags.seed_mode  # trusts the data, as ours does with what it remembers
        session.add_torrent(torrent)
        _wait_for(session, (lt.torrent_finished_alert, lt.torrent_checked_alert, lt.add_torrent_alert))
    answer({"ports": [session.listen_port()]}, {"download": download})


if __name__ == "__main__":
    main()
