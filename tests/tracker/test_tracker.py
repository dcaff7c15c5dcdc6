import pytest

from gotorrent.config import TrackerConfig
from gotorrent.tracker.swarms import Swarms
from gotorrent.tracker.tracker import Tracker, packed


def test_nothing_is_ruled_until_it_is_configured():
    config = TrackerConfig()
    tracker = Tracker(config, Swarms(config))
    assert (tracker.gate, tracker.watch, tracker.proxies, tracker.believed) == (None, None, None, None)


@pytest.mark.parametrize(
    ("host", "address"), [("192.0.2.1", bytes((192, 0, 2, 1))), ("::1", bytes(15) + b"\1"), ("", b""), ("unix:", b"")]
)
def test_packed(host, address):
    assert packed(host) == address
