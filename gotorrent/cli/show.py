"""`-show`: what is in a .torrent file or a magnet link (BEP 3, 9). Nothing is downloaded, no file is touched."""

from __future__ import annotations

import datetime
from typing import Any

from gotorrent.cli import sources
from gotorrent.cli.output import Output, counted, size
from gotorrent.metainfo import magnet
from gotorrent.metainfo.magnet import Magnet
from gotorrent.metainfo.metainfo import Metainfo

MAX_NUMBER_WIDTH = 6


def run(text: str, output: Output) -> None:
    """Print what `text`, a path, URL or magnet link, says. Raises ReadError, MetainfoError or MagnetError."""
    if text.lower().startswith("magnet:"):
        rows = _magnet_rows(magnet.parse(text))
        files: list[tuple[str, int]] = []
    else:
        torrent = sources.read(text)
        rows = _torrent_rows(torrent)
        files = [("/".join(file.path), file.length) for file in torrent.layout.files if not file.pad]
    output.emit("torrent", **dict(rows), files=[{"path": path, "length": length} for path, length in files])
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        for number, line in enumerate(_lines(label, value)):
            output.say(f"{label.replace('_', ' ') if number == 0 else '':{width}}  {line}")
    for number, (path, length) in enumerate(files, 1):
        output.say(f"{number:{MAX_NUMBER_WIDTH}}  {size(length):>9}  {path}")


def _torrent_rows(torrent: Metainfo) -> list[tuple[str, Any]]:
    layout = torrent.layout
    return [
        ("name", torrent.name),
        ("info_hash", torrent.info_hash.hex()),
        ("size", layout.total),
        ("piece_length", layout.piece_length),
        ("piece_count", layout.piece_count),
        ("private", torrent.private),
        ("trackers", [list(tier) for tier in torrent.trackers]),
        ("web_seeds", list(torrent.web_seeds)),
        ("source", torrent.source),
        ("comment", torrent.comment),
        ("created_by", torrent.created_by),
        ("creation_date", _date(torrent.creation_date)),
        ("magnet", magnet.link(torrent)),
    ]


def _magnet_rows(link: Magnet) -> list[tuple[str, Any]]:
    return [
        ("name", link.name),
        ("info_hash", link.info_hash.hex()),
        ("trackers", [[url] for url in link.trackers]),
        ("web_seeds", list(link.web_seeds)),
        ("peers", [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in link.peers]),
    ]


def _date(seconds: int | None) -> str:
    """The creation date in UTC, ISO 8601."""
    return "" if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def _lines(label: str, value: Any) -> list[str]:
    """A value for people; what is not there takes no line."""
    if label in ("size", "piece_length"):
        return [f"{size(value)} ({counted(value, 'byte')})"]
    if isinstance(value, list):
        return [" or ".join(item) if isinstance(item, list) else item for item in value]
    if isinstance(value, bool):
        return ["yes: peers come only from its trackers (BEP 27)"] if value else []
    return str(value).splitlines()
