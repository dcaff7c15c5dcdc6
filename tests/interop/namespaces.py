"""Two machines on one cable: a network namespace joined to this one by a pair of virtual Ethernet devices.

For clients that treat loopback specially. Needs root and `ip` (Debian's package `iproute2`); the test is skipped without them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.interop.programs import need


@dataclass(frozen=True)
class Cable:
    """Addresses of the two ends, IPv4 and IPv6, and the command that runs a program at the other end."""

    here: str
    there: str
    here6: str
    there6: str
    prefix: tuple[str, ...]


@contextmanager
def cable() -> Iterator[Cable]:
    """A namespace for the time of the `with` block; its devices vanish with it."""
    ip = need("ip")
    tag = f"{os.getpid() % 100_000:x}"
    name, near, far = f"gt-{tag}", f"gt{tag}a", f"gt{tag}b"
    here, there = (f"10.{77 + os.getpid() % 100}.{os.getpid() // 100 % 250}.{last}" for last in (1, 2))
    here6, there6 = (f"fd77:{os.getpid() & 0xFFFF:x}::{last}" for last in (1, 2))

    def run(*arguments: str) -> None:
        subprocess.run([ip, *arguments], check=True, capture_output=True, text=True, timeout=10)

    try:
        run("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
    try:
        run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        for prefix, device, address, address6 in (((), near, here, here6), (("-n", name), far, there, there6)):
            run(*prefix, "address", "add", f"{address}/24", "dev", device)
            run(*prefix, "address", "add", f"{address6}/64", "dev", device, "nodad")  # usable at once
            run(*prefix, "link", "set", device, "up")
        run("-n", name, "link", "set", "lo", "up")
        yield Cable(here, there, here6, there6, (ip, "netns", "exec", name))
    finally:
        subprocess.run([ip, "link", "delete", near], capture_output=True, timeout=10, check=False)
        subprocess.run([ip, "netns", "delete", name], capture_output=True, timeout=10, check=False)
