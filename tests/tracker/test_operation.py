from __future__ import annotations

import dataclasses
import logging

import pytest

from gotorrent.config import TrackerConfig
from gotorrent.errors import ConfigError, ReadError, TrackerError, UsageError
from gotorrent.tracker import operation
from gotorrent.tracker.announce import count, decide
from gotorrent.tracker.completed import read_completed
from gotorrent.tracker.counters import HTTP4
from gotorrent.tracker.operation import Operation
from gotorrent.tracker.store import COMPLETED, NONE
from gotorrent.wire.compact import pack_host, pack_peer
from tests.waiting import wait_until

HASH, OTHER = b"\x11" * 20, b"\x22" * 20


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(operation, "TICK", 0.02)
    monkeypatch.setattr(operation, "SAVE_SECONDS", 0.05)


@pytest.fixture
def run():
    """Operate a tracker with these settings; it is stopped at the end."""
    running = []

    def begin(**settings):
        running.append(Operation(TrackerConfig(**settings)))
        running[-1].start()
        return running[-1]

    yield begin
    for each in running:
        each.stop()


def announce(operated, info_hash=HASH, host="192.0.2.1", event=NONE, seed=False, now=0.0):
    source = pack_host(host)
    return decide(operated.tracker, info_hash, source, pack_peer(host, 6881), event, seed, 50, HTTP4, b"", now)


class TestCounts:
    def test_outlive_the_process(self, tmp_path):
        config = TrackerConfig(state_file=str(tmp_path / "state"))
        for times in (1, 2, 3):
            operated = Operation(config)
            operated.start()
            announce(operated)
            assert announce(operated, event=COMPLETED, seed=True)[2] == times
            operated.stop()
        assert read_completed(tmp_path / "state") == {HASH: 3}

    def test_are_saved_while_it_runs(self, run, tmp_path):
        operated = run(state_file=str(tmp_path / "state"))
        announce(operated)
        announce(operated, event=COMPLETED, seed=True)
        wait_until(lambda: read_completed(tmp_path / "state") == {HASH: 1})

    def test_nothing_is_written_without_a_change_or_a_file(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(operation, "write_completed", pytest.fail)
        for state_file in ("", "none", str(tmp_path / "state")):
            operated = run(state_file=state_file)
            announce(operated)
            operated.stop()

    def test_a_damaged_file_stops_the_start_and_is_not_overwritten(self, tmp_path):
        (tmp_path / "state").write_text("nonsense")
        with pytest.raises(ReadError):
            Operation(TrackerConfig(state_file=str(tmp_path / "state")))
        assert (tmp_path / "state").read_text() == "nonsense"

    def test_a_disk_that_cannot_be_written_costs_a_warning(self, run, tmp_path, caplog):
        (tmp_path / "file").write_text("")
        operated = run(state_file=str(tmp_path / "file" / "state"))
        announce(operated)
        announce(operated, event=COMPLETED, seed=True)
        wait_until(lambda: "completed downloads are not saved" in caplog.text)
        assert announce(operated)[2] == 1


class TestRules:
    def test_all_of_them_are_consulted(self, run, tmp_path):
        (tmp_path / "deny").write_text(OTHER.hex())
        operated = run(deny_file=str(tmp_path / "deny"), rate_limit=1, rate_burst=2)
        announce(operated)
        with pytest.raises(TrackerError, match="excluded"):
            announce(operated, info_hash=OTHER)
        with pytest.raises(TrackerError, match="too many requests"):
            announce(operated)
        with pytest.raises(TrackerError, match="too many requests"):
            count(operated.tracker, [HASH], pack_host("192.0.2.1"), b"", HTTP4, 0.0)

    def test_a_changed_list_is_in_force_by_itself(self, run, tmp_path, caplog):
        path = tmp_path / "deny"
        path.write_text("")
        operated = run(deny_file=str(path))
        announce(operated)
        path.write_text(HASH.hex())

        def refused():
            try:
                announce(operated)
            except TrackerError:
                return True
            return False

        wait_until(refused)
        path.write_text("nonsense and more of it")
        wait_until(lambda: "line 1" in caplog.text)
        assert refused()
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1

    def test_dial_back_and_proxies_only_when_asked_for(self, run):
        assert run().tracker.watch is not None
        assert run().tracker.proxies is run().tracker.believed is None
        operated = run(dial_back=False, trusted_proxies="127.0.0.1", believe_ip=True).tracker
        assert operated.watch is None
        assert pack_host("127.0.0.1") in operated.proxies
        assert [
            host for host in ("127.0.0.1", "10.0.0.1", "::1", "fd00::1", "8.8.8.8") if pack_host(host) in operated.believed
        ] == [*("127.0.0.1", "10.0.0.1", "::1", "fd00::1")]

    @pytest.mark.parametrize(
        "wrong", [{"trusted_proxies": "x"}, {"trusted_networks": "x"}, {"allow_file": "/no/such"}, {"store": "mysql://"}]
    )
    def test_what_cannot_be_stops_the_start(self, wrong):
        with pytest.raises(UsageError):
            Operation(TrackerConfig(**wrong))


class TestReload:
    def test_takes_over_what_it_can_and_says_what_it_cannot(self, run, tmp_path):
        operated = run(rate_limit=1, rate_burst=1)
        announce(operated)
        (tmp_path / "deny").write_text(OTHER.hex())
        new = dataclasses.replace(operated.tracker.config, rate_burst=3, deny_file=str(tmp_path / "deny"), port=1)
        said = operated.reload(new)
        assert said == [
            "rate_burst is now 3",
            f"deny_file is now '{tmp_path / 'deny'}'",
            "port has changed: that needs a restart",
        ]
        assert operated.tracker.config == dataclasses.replace(new, port=8080)
        announce(operated)
        with pytest.raises(TrackerError, match="excluded"):
            announce(operated, info_hash=OTHER)

    def test_a_mistake_changes_nothing(self, run):
        operated = run(rate_limit=1, rate_burst=1)
        before = operated.tracker.config, operated.tracker.gate
        for wrong in ({"rate_burst": 5, "trusted_proxies": "x"}, {"rate_burst": 5, "allow_file": "/no/such"}):
            with pytest.raises(ConfigError):
                operated.reload(dataclasses.replace(operated.tracker.config, **wrong))
        assert (operated.tracker.config, operated.tracker.gate) == before

    def test_without_a_change_it_reads_the_files_again(self, run, tmp_path):
        (tmp_path / "deny").write_text("")
        operated = run(deny_file=str(tmp_path / "deny"))
        assert operated.reload(operated.tracker.config) == []

    def test_it_names_settings_that_exist(self):
        assert {field.name for field in dataclasses.fields(TrackerConfig)} > operation.RELOADED

    def test_peers_are_kept(self, run):
        operated = run()
        announce(operated)
        operated.reload(dataclasses.replace(operated.tracker.config, min_interval=5))
        assert announce(operated, host="192.0.2.2")[1] == 2


class TestStop:
    def test_may_be_repeated_and_come_first(self):
        never = Operation(TrackerConfig())
        never.stop()
        never.stop()
