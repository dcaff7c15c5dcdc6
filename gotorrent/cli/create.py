"""`-create`: a file or folder becomes a .torrent file (BEP 3), and the person is told what to do with it.

The commands that it prints can be pasted: they name the interpreter and script that were used here, and the folder of the
content where it does not lie beside the .torrent file.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gotorrent.cli import invocation
from gotorrent.cli.output import Output, counted, size
from gotorrent.cli.progress import HashBar
from gotorrent.cli.sources import Source
from gotorrent.clock import SYSTEM_CLOCK
from gotorrent.config import ClientConfig
from gotorrent.errors import UsageError
from gotorrent.lan import lan_addresses
from gotorrent.metainfo import magnet
from gotorrent.metainfo.create import Created, CreateOptions, check_target, create, write_torrent
from gotorrent.metainfo.metainfo import Metainfo

NO_TRACKER = "none"


def run(values: dict[str, Any], settings: ClientConfig, output: Output) -> Source:
    """Make the torrent that the flags `values` describe. Raises UsageError, ReadError or WriteError; nothing is left then."""
    source = Path(values["create"])
    if source.name in ("", ".."):
        source = source.resolve()
    target = Path(values["o"]) if values["o"] else source.parent / f"{source.name}.torrent"
    check_target(target, values["force"])
    bar = HashBar(output)
    try:
        created = create(source, _options(values, settings), bar)
    finally:
        bar.close()
    write_torrent(created.data, target, values["force"])
    _report(created, target, source, values["seed"], settings.peer_port, output)
    return Source(created.metainfo, source.absolute().parent, in_place=True)


def _options(values: dict[str, Any], settings: ClientConfig) -> CreateOptions:
    tiers = [tuple(url for url in tier.split(",") if url) for tier in values["tracker"] or [settings.tracker_url]]
    if (NO_TRACKER,) in tiers:
        if len(tiers) > 1:
            raise UsageError(f"-tracker {NO_TRACKER} and another -tracker contradict each other")
        tiers = []
    return CreateOptions(
        trackers=tuple(tier for tier in tiers if tier),
        piece_size=values["piece-size"] or 0,
        private=values["private"],
        comment=values["comment"] or "",
        source=values["source"] or "",
        web_seeds=tuple(values["webseed"]),
        date=None if values["no-date"] else int(SYSTEM_CLOCK.wall()),
        hash_threads=settings.hash_threads,
    )


def _report(created: Created, target: Path, source: Path, seeding: bool, peer_port: int, output: Output) -> None:
    """Say what was made, what was left out, and what to type next."""
    torrent, layout = created.metainfo, created.metainfo.layout
    link = magnet.link(torrent)
    here, there = _commands(torrent, target, source, peer_port)
    warning = _warning(torrent)
    output.emit(
        "created",
        path=str(target),
        info_hash=torrent.info_hash.hex(),
        magnet=link,
        total=layout.total,
        piece_length=layout.piece_length,
        piece_count=layout.piece_count,
        skipped=[[str(path), reason] for path, reason in created.skipped],
        commands=[*here, there],
        warning=warning,
    )
    files = counted(len(layout.files), "file")
    pieces = counted(layout.piece_count, "piece")
    output.say(f"Created {target}: {files}, {size(layout.total)} in {pieces} of {size(layout.piece_length)}")
    for path, reason in created.skipped:
        output.say(f"  left out: {path} ({reason})")
    output.say(f"  info-hash  {torrent.info_hash.hex()}\n  magnet     {link}\n")
    if not seeding:
        hint = ", the tracker in a terminal of its own unless it runs already" if len(here) > 1 else ""
        output.say(f"To share it from this machine{hint}:\n" + "".join(f"    {command}\n" for command in here))
    output.say(f"To download it on another machine, with {target.name} copied there:\n    {there}\n")
    if warning:
        output.say(warning)


def _commands(torrent: Metainfo, target: Path, source: Path, peer_port: int) -> tuple[list[str], str]:
    """What to type on this machine, in this order, and what on the other one; without a tracker it must be told of us."""
    client = invocation.this_program()
    seed = [*client, "-torrent", str(target)]
    if target.absolute().parent != source.absolute().parent:
        seed += ["-dir", str(source.absolute().parent)]
    here = [invocation.shown(seed)]
    if any(_is_here(url) for url in _trackers(torrent)):
        here.insert(0, invocation.shown(invocation.other_program("tracker.py", "gotorrent-tracker")))
    fetch = [*client, "-torrent", target.name]
    if not _trackers(torrent):
        address = next(iter(lan_addresses()), "ADDRESS_OF_THIS_MACHINE")
        fetch += ["-peer", f"[{address}]:{peer_port}" if ":" in address else f"{address}:{peer_port}"]
    return here, invocation.shown(fetch)


def _warning(torrent: Metainfo) -> str:
    """What to do when other machines could not reach any tracker of this torrent; "" when they can, or there is none."""
    urls = _trackers(torrent)
    if not urls or not all(_is_only_here(url) for url in urls):
        return ""
    addresses = lan_addresses()
    sentence = f"Other machines cannot reach {urls[0]}: that address means their own machine."
    if not addresses:
        return f"{sentence} This machine has no network address of its own to put there."
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    port = urlsplit(urls[0]).port
    url = f"http://{host}{f':{port}' if port else ''}/announce"
    return f"{sentence} For them, create it again with -force -tracker {url}"


def _trackers(torrent: Metainfo) -> list[str]:
    return [url for tier in torrent.trackers for url in tier]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_only_here(url: str) -> bool:
    """Whether this URL leads every machine to itself."""
    host = _host(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _is_here(url: str) -> bool:
    """Whether the tracker of this URL would run on this machine."""
    return _is_only_here(url) or _host(url) in lan_addresses()
