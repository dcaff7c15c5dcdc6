"""What a person names on the command line or in the web UI, and where its content lies (BEP 3, 9).

A source is the path of a .torrent file, an http or https URL of one, or a magnet link. A magnet link is read and named, but not
yet downloaded from: that needs the metadata of the swarm (BEP 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gotorrent.errors import MagnetError, MetainfoError, ReadError
from gotorrent.metainfo import magnet, metainfo
from gotorrent.metainfo.metainfo import Metainfo


@dataclass(frozen=True)
class Source:
    """A torrent and the folder that holds, or will hold, its content."""

    metainfo: Metainfo
    folder: Path
    in_place: bool = False  # its content was found beside the .torrent file


def is_web(text: str) -> bool:
    """Whether this names something on the web."""
    return text.lower().startswith(("http://", "https://"))


def read(text: str) -> Metainfo:
    """The torrent that `text` names. Raises ReadError, MetainfoError, TrackerError, or MagnetError for every magnet link."""
    if text.lower().startswith("magnet:"):
        link = magnet.parse(text)
        raise MagnetError(
            f"this magnet link is fine, but downloading from one comes in a later version: get the .torrent file of "
            f"{link.name or 'it'} (info-hash {link.info_hash.hex()}) and use that"
        )
    if is_web(text):
        from gotorrent.discovery.http import fetch_torrent

        data = fetch_torrent(text)
        try:
            return metainfo.parse(data)
        except MetainfoError as error:
            raise MetainfoError(f"{text}: {error}") from None
    try:
        return metainfo.load(text)
    except (ReadError, MetainfoError) as error:
        beside = Path(f"{text}.torrent")
        if not text.endswith(".torrent") and beside.is_file():
            raise type(error)(f"{error}; did you mean {beside}?") from None
        raise


def locate(text: str, torrent: Metainfo, chosen: str | None, download_folder: Path) -> Source:
    """Where the content of the source `text` belongs: the `chosen` folder, else beside it, else the download folder."""
    if chosen is not None:
        return Source(torrent, Path(chosen).expanduser())
    if not is_web(text):
        beside = Path(text).absolute().parent
        if is_beside(torrent, beside):
            return Source(torrent, beside, in_place=True)
    return Source(torrent, download_folder)


def is_beside(torrent: Metainfo, folder: Path) -> bool:
    """Whether every file of the torrent is in `folder`, with its size. Nothing is hashed."""
    try:
        return all(
            file.pad or ((path := folder.joinpath(*file.path)).is_file() and path.stat().st_size == file.length)
            for file in torrent.layout.files
        )
    except OSError:
        return False
