"""Who really asks when a reverse proxy stands before the tracker: the right-most address that no proxy of ours vouches for.

No BEP rules it. A proxy appends the address it was called from to `X-Forwarded-For`, so the list is as true as its right end:
a client can send one of its own, and the proxy only writes behind it. The header is read only when the connection itself comes
from a configured proxy, from the right, passing over configured proxies. It refuses, rather than guesses, when a proxy of ours
names nobody or writes what is no address: else a whole swarm would be given the proxy's address.
"""

from __future__ import annotations

from gotorrent.errors import CompactError, TrackerError
from gotorrent.tracker.networks import Networks
from gotorrent.wire.compact import pack_host

MAX_HOPS = 32  # entries of the header that are looked at
_MAX_ENTRY = 64  # characters; an IPv6 address with brackets and a port has 53


def real_source(connected: str, forwarded: str, proxies: Networks) -> str:
    """The address a request comes from.

    `connected` is the other end of the connection ("" on a Unix socket), `forwarded` the value of `X-Forwarded-For`, several of
    them joined by commas. Raises `TrackerError` when a configured proxy does not say for whom it asks.
    """
    if not is_proxy(connected, proxies):
        return connected
    named = ""
    for entry in reversed(forwarded.rsplit(",", MAX_HOPS)[-MAX_HOPS:] if forwarded else []):
        named = _address(entry.strip(" \t"))
        if not is_proxy(named, proxies):
            return named
    if named:
        return named  # every hop is ours, so this one asks for itself
    raise TrackerError(
        "the tracker's reverse proxy does not say for whom it asks: its operator must let it send the header X-Forwarded-For"
    )


def is_proxy(host: str, proxies: Networks) -> bool:
    """Is `host` ("" for a Unix socket) one of the proxies that we believe?"""
    if not proxies:
        return False
    try:
        return proxies.unix if _is_unix(host) else pack_host(host) in proxies
    except CompactError:
        return False


def _is_unix(host: str) -> bool:
    """What WSGI servers say instead of an address on a Unix socket."""
    return host in ("", "localhost") or host.startswith("unix:")


def _address(entry: str) -> str:
    """The address in one entry: `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`, each perhaps quoted."""
    text = entry[1:-1] if len(entry) > 1 and entry[0] == entry[-1] == '"' else entry
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        if len(text) > _MAX_ENTRY:
            raise CompactError("too long")
        pack_host(text)
    except CompactError:
        raise TrackerError(
            "the tracker's reverse proxy sends an X-Forwarded-For in which no address can be read: its operator must set it up"
        ) from None
    return text
