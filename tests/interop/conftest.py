"""What nearly every interoperability test starts from: our tracker, on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.ours import our_tracker


@pytest.fixture
def tracker() -> Iterator[str]:
    """The announce URL of a running tracker of ours."""
    with our_tracker() as url:
        yield url
