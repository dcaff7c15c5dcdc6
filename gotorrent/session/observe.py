"""Makes snapshots of torrents: the one place that looks into the engine for those who only watch. No BEP rules it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gotorrent.discovery.announcer import TrackerStatus
from gotorrent.session.diagnose import Facts, waiting_for
from gotorrent.session.snapshot import PeerSnapshot, TorrentSnapshot, TrackerSnapshot
from gotorrent.swarm.peer import Peer
from gotorrent.swarm.torrent import Torrent
from gotorrent.wire.handshake import client_name

MOVING = 1.0
"""Bytes per second from which data counts as moving."""


def observe(torrent: Torrent, trackers: Sequence[TrackerStatus], now: float) -> TorrentSnapshot:
    """`torrent` as it is at `now` (monotonic seconds)."""
    peers, manager, layout = torrent.peers(), torrent.manager, torrent.metainfo.layout
    shown = tuple(_peer(peer, now) for peer in peers)
    down, up = sum(p.down_rate for p in shown), sum(p.up_rate for p in shown)
    state, left, have = torrent.state, manager.left, manager.have.count
    moving = (up if state == "seeding" else down) >= MOVING
    stalled = state == "downloading" and not moving
    facts = Facts(
        state=state,
        name=torrent.metainfo.name,
        checked=torrent.checked,
        have_anything=have > 0,
        peers=len(peers),
        useful=sum(peer.useful > 0 for peer in peers),
        letting=sum(peer.useful > 0 and not peer.peer_choking for peer in peers),
        interested=sum(peer.peer_interested for peer in peers),
        dialling=torrent.dialling,
        known=torrent.pool.count,
        trackers=trackers,
        missing_everywhere=manager.missing_everywhere() if stalled and peers else None,
        moving=moving,
    )
    error = torrent.error
    return TorrentSnapshot(
        info_hash=torrent.info_hash.hex(),
        name=torrent.metainfo.name,
        state=state,
        path=str(torrent.content.folder.joinpath(layout.files[0].path[0] if layout.files else torrent.metainfo.name)),
        total=layout.total,
        left=left,
        piece_count=layout.piece_count,
        have_count=have,
        progress=1.0 - left / layout.total if layout.total else 1.0,
        checked=torrent.checked,
        down_rate=down,
        up_rate=up,
        downloaded=torrent.downloaded,
        uploaded=torrent.uploaded,
        eta=left / down if state == "downloading" and moving else None,
        waiting_for=waiting_for(facts, now),
        error=str(error) if error else "",
        exit_code=error.exit_code if error else 0 if state == "seeding" or (state == "stopped" and not left) else 7,
        peers=shown,
        trackers=tuple(_tracker(status, now) for status in trackers),
    )


def _peer(peer: Peer, now: float) -> PeerSnapshot:
    host, port = peer.address
    return PeerSnapshot(
        address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        client=client_name(peer.peer_id),
        progress=peer.bits.count / peer.bits.size if peer.bits.size else 1.0,
        down_rate=peer.downloader.rate.per_second(now),
        up_rate=peer.upload_rate.per_second(now),
        downloaded=peer.downloader.rate.total,
        uploaded=peer.upload_rate.total,
        am_choking=peer.am_choking,
        am_interested=peer.am_interested,
        peer_choking=peer.peer_choking,
        peer_interested=peer.peer_interested,
        incoming=peer.incoming,
    )


def _tracker(status: TrackerStatus, now: float) -> TrackerSnapshot:
    words = {
        "waiting": "not asked yet",
        "announcing": "waiting for an answer",
        "working": f"working, {status.peers} peer{'' if status.peers == 1 else 's'}",
        "failed": status.last_error,
        "unsupported": status.last_error,
    }[status.state]
    return TrackerSnapshot(
        url=status.url,
        status=f"{words}; it says: {status.warning}" if status.warning else words,
        seeds=status.seeds,
        leechers=status.leechers,
        next_announce=max(0.0, status.next_announce - now) if math.isfinite(status.next_announce) else None,
    )
