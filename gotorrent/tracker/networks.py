"""Address ranges as an operator writes them, `10.0.0.0/8, fd00::/8, private`, and which range an address is of. No BEP rules it.

Addresses are packed bytes, 4 or 16, as `wire.compact.pack_host` makes them: an announce is checked against every range, and
parsing text again would cost more than the announce. It refuses a range that is no address, or one with bits behind its mask.
"""

from __future__ import annotations

import ipaddress

from gotorrent.errors import ConfigError

UNIX = "unix"  # stands for a Unix socket, which has no address
_NAMES = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
}
MAX_RANGES = 1000


class Networks:
    """A set of address ranges: `packed in networks`. An empty one is false."""

    __slots__ = ("_begins", "_ranges", "unix")

    def __init__(self, text: str, setting: str = "networks") -> None:
        """Read ranges separated by commas or blanks; `loopback`, `private` and `unix` name the usual ones.

        Raises `ConfigError`, which calls the text by the name `setting`.
        """
        words = [word for part in text.replace(",", " ").split() for word in _NAMES.get(part.lower(), (part,))]
        if len(words) > MAX_RANGES:
            raise ConfigError(f"tracker.{setting} has {len(words)} ranges, at most {MAX_RANGES} are read")
        self.unix = UNIX in words
        self._ranges = [_range(word, setting) for word in words if word != UNIX]
        self._begins = {(size, byte) for size, mask, first in self._ranges for byte in _first_bytes(size, mask, first)}

    def __contains__(self, packed: object) -> bool:
        if not isinstance(packed, bytes) or not packed or (len(packed), packed[0]) not in self._begins:
            return False
        size, number = len(packed), int.from_bytes(packed, "big")
        return any(size == length and number & mask == first for length, mask, first in self._ranges)

    def __bool__(self) -> bool:
        return bool(self._ranges) or self.unix


def _first_bytes(size: int, mask: int, first: int) -> range:
    """Values of the first byte of the addresses in one range: nearly every address is sorted out by them."""
    below = 8 * (size - 1)
    return range(first >> below, ((first | ~mask) >> below & 255) + 1)


def _range(word: str, setting: str) -> tuple[int, int, int]:
    """(bytes of an address, its mask, its first address) of `10.0.0.0/8`, or of one address."""
    try:
        network = ipaddress.ip_network(word)
    except ValueError:
        raise ConfigError(
            f"tracker.{setting}: {word[:60]!r} is no range of addresses like 10.0.0.0/8 or fd00::/8, nor loopback or private"
        ) from None
    return network.max_prefixlen // 8, int(network.netmask), int(network.network_address)
