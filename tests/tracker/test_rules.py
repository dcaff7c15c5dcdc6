from __future__ import annotations

import pytest

from gotorrent.config import TrackerConfig
from gotorrent.errors import ConfigError, TrackerError
from gotorrent.tracker.access import add_key
from gotorrent.tracker.counters import HTTP4
from gotorrent.tracker.rules import Rules, proxies
from gotorrent.wire.compact import pack_host

HASH, OTHER = b"\x11" * 20, b"\x22" * 20
SOURCE = pack_host("192.0.2.1")


def announce(rules, source=SOURCE, info_hash=HASH, key=b"", now=0.0):
    return rules.refuse_announce(source, info_hash, key, HTTP4, now)


def test_everything_is_open_until_configured():
    rules = Rules(TrackerConfig())
    assert announce(rules) is None
    assert rules.refuse_scrape(SOURCE, [HASH], b"", HTTP4, 0.0) is None


def test_announces_and_scrapes_share_one_bucket():
    rules = Rules(TrackerConfig(rate_limit=1, rate_burst=2))
    assert announce(rules) is rules.refuse_scrape(SOURCE, [HASH], b"", HTTP4, 0.0) is None
    with pytest.raises(TrackerError, match=r"at most 1 a second, 2 at once; the next is answered in 1 s") as caught:
        announce(rules)
    assert caught.value.retry_after == 1
    with pytest.raises(TrackerError):
        rules.refuse_scrape(SOURCE, [HASH], b"", HTTP4, 0.0)
    assert announce(rules, now=1.0) is None


def test_trusted_networks_have_no_limit():
    rules = Rules(TrackerConfig(rate_limit=1, rate_burst=1, trusted_networks="192.0.2.0/24"))
    assert [announce(rules) for _ in range(50)] == [None] * 50


def test_key_and_lists(tmp_path):
    keys, allow = tmp_path / "keys", tmp_path / "allow"
    key = add_key(keys, "Ada", "2026-11-23").encode()
    allow.write_text(HASH.hex())
    rules = Rules(TrackerConfig(passkey_file=str(keys), allow_file=str(allow)))
    assert announce(rules, key=key) is None
    assert "private" in announce(rules)
    assert "does not know your key" in announce(rules, key=b"x")
    assert "on its list" in announce(rules, key=key, info_hash=OTHER)
    assert "private" in announce(rules, info_hash=OTHER), "a stranger is not told what is on the list"
    assert "private" in rules.refuse_scrape(SOURCE, [HASH], b"", HTTP4, 0.0)
    assert rules.refuse_scrape(SOURCE, [OTHER], key, HTTP4, 0.0) is None


def test_guessing_keys_is_limited_too(tmp_path):
    add_key(tmp_path / "keys", "Ada", "2026-11-23")
    rules = Rules(TrackerConfig(passkey_file=str(tmp_path / "keys"), rate_limit=1, rate_burst=3))
    for _ in range(3):
        assert announce(rules, key=b"guess")
    with pytest.raises(TrackerError, match="too many requests"):
        announce(rules, key=b"guess")


def test_proxies():
    assert proxies(TrackerConfig()) is None
    assert pack_host("127.0.0.1") in proxies(TrackerConfig(trusted_proxies="loopback"))


@pytest.mark.parametrize("setting", ["trusted_networks", "trusted_proxies"])
def test_a_wrong_range_is_named(setting):
    with pytest.raises(ConfigError, match=f"tracker.{setting}: 'nonsense' is no range"):
        config = TrackerConfig(**{setting: "nonsense"})
        Rules(config)
        proxies(config)
