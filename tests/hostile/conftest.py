"""A small torrent, and a client that wants it while somebody breaks the rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.swarm.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Clients that are stopped at the end."""
    with make_world(tmp_path) as world:
        yield world
