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


class ReverseProxies:
    """The proxies whose word counts. A source is a packed address; `b""` is a Unix socket, which has none."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def __contains__(self, source: object) -> bool:
        if not source:
            return self._networks.unix
        return source in self._networks

    def client(self, source: bytes, forwarded_for: str) -> bytes:
        """Packed address of who asked `source`, by the value of its `X-Forwarded-For` (several headers joined by commas).

        A source that is no proxy of ours asks for itself. Raises `TrackerError` when a proxy of ours does not say who asks.
        """
        if source not in self:
            return source
        for entry in reversed(forwarded_for.rsplit(",", MAX_HOPS)[-MAX_HOPS:] if forwarded_for else []):
            source = _address(entry.strip(" \t"))
            if source not in self:
                return source
        if not forwarded_for:
            raise TrackerError(
                "the tracker's reverse proxy does not say for whom it asks: its operator must let it send X-Forwarded-For"
            )
        return source  # every hop is ours, so the first of them asks for itself


def _address(entry: str) -> bytes:
    """The address in one entry: `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`, each perhaps quoted."""
    text = entry[1:-1] if len(entry) > 1 and entry[0] == entry[-1] == '"' else entry
    if text.startswith("["):
        text = text[1:].partition("]")[0] if "]" in text else ""
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        if len(text) > _MAX_ENTRY:
            raise CompactError("too long")
        return pack_host(text)
    except CompactError:
        raise TrackerError(
            "the tracker's reverse proxy sends an X-Forwarded-For in which no address can be read: its operator must set it up"
        ) from None
