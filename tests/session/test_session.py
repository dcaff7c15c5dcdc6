"""Whole clients: they find each other, stop in time, and know at the next start what they had."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gotorrent import system
from gotorrent.config import ClientConfig
from gotorrent.errors import PortBusyError, UsageError
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.session.session import Session
from gotorrent.storage import check, files
from gotorrent.swarm import peer_pool, torrent
from tests.session.engine import closed_port, deaf_port, full_port, only, running, wait_for
from tests.storage.content import PIECE, folder, make_bytes, put, single, tree
from tests.waiting import wait_until

DATA = make_bytes(40 * PIECE + 100)
FILE = single("talk.pdf", DATA)
FOLDER, PARTS = folder(
    "Übung 1",
    [
        ("read me", 11),
        ("leer", 0),
        ("日本語/音.bin", 300_001),
        (".pad/77", 77),
        ("日本語/leer", 0),
        ("музыка/🎵 50%", 70_000),
        ("z", 1),
    ],
)


def here(session: Session) -> tuple[str, int]:
    return ("127.0.0.1", session.peer_port)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pieces that were hashed from disk."""
    seen: list[int] = []
    real = check.piece_matches

    def note(metainfo: Metainfo, piece: int, data: Any) -> bool:
        seen.append(piece)
        return real(metainfo, piece, data)

    monkeypatch.setattr(check, "piece_matches", note)
    return seen


# --- from one client to another


@pytest.mark.parametrize("portable", [False, True], ids=["native", "portable"])
def test_a_folder_travels_from_a_seed_to_a_leecher_on_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portable: bool
) -> None:
    if portable:
        monkeypatch.setattr(system, "PORTABLE", True)
        monkeypatch.setattr(files, "_NOFOLLOW", 0)
    put(tmp_path / "seed" / "Übung 1", PARTS)
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(FOLDER, tmp_path / "seed")
        assert wait_for(seed, "seeding").exit_code == 0
        leecher.add(FOLDER, tmp_path / "got", peers=[here(seed)])
        wait_for(leecher, "seeding")
        wait_until(lambda: only(seed).uploaded == only(leecher).downloaded == FOLDER.layout.total, what="every byte is counted")
        got = only(leecher)
    assert tree(tmp_path / "got" / "Übung 1") == PARTS
    assert got.downloaded == got.total == sum(map(len, PARTS.values())) + 77
    assert (got.left, got.progress, got.exit_code, got.error) == (0, 1.0, 0, "")
    assert got.path == str(tmp_path / "got" / "Übung 1")


def test_peers_over_ipv6(tmp_path: Path) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        leecher.add(FILE, tmp_path / "got", peers=[("::1", seed.peer_port)])
        wait_for(leecher, "seeding")
    assert tree(tmp_path / "got") == {"talk.pdf": DATA}


def test_good_pieces_on_disk_are_not_fetched_again(tmp_path: Path) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    put(tmp_path / "got", {"talk.pdf": DATA[: 30 * PIECE]})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
        wait_for(leecher, "seeding")
        wait_until(lambda: only(leecher).downloaded == 10 * PIECE + 100)
    assert tree(tmp_path / "got") == {"talk.pdf": DATA}


def test_a_peer_that_is_given_later_is_found(tmp_path: Path) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        leecher.add(FILE, tmp_path / "got")
        waiting = wait_for(leecher, "downloading")
        assert waiting.waiting_for.startswith("this torrent names no tracker")
        assert waiting.exit_code == 7
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
        wait_for(leecher, "seeding")


def test_more_dead_addresses_than_may_be_dialled_at_a_time_hide_no_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_pool, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(torrent, "TICK", 0.05)
    put(tmp_path / "seed", {"talk.pdf": DATA})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2", max_half_open=1) as leecher:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        dead = [("127.0.0.1", closed_port()) for _ in range(5)]
        leecher.add(FILE, tmp_path / "got", peers=[*dead, ("127.0.0.2", seed.peer_port)])
        wait_for(leecher, "seeding")


def test_our_own_address_is_noticed(tmp_path: Path) -> None:
    with running(tmp_path / "p") as session:
        session.add(FILE, tmp_path / "data", peers=[here(session)])
        wait_for(session, "downloading")
        wait_until(lambda: "names no tracker" in only(session).waiting_for, what="not dialled again")
        assert only(session).peers == ()


def test_what_the_seed_loses_ends_in_a_sentence(tmp_path: Path) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        os.truncate(tmp_path / "seed" / "talk.pdf", 5)
        leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
        failed = wait_for(seed, "error")
        assert failed.error.endswith("talk.pdf became shorter while it was in use: something else has changed it")
        assert failed.exit_code == 4
        assert only(leecher).state == "downloading"


# --- adding


def test_the_same_torrent_again_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path / "d", {"talk.pdf": DATA})
    with running(tmp_path / "p") as session:
        info_hash = session.add(FILE, tmp_path / "d")
        wait_for(session, "seeding")
        assert session.add(FILE, tmp_path / "d" / ".." / "d") == info_hash == FILE.info_hash
        assert only(session).state == "seeding"


def test_the_same_torrent_in_another_folder_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "p") as session:
        session.add(FILE, tmp_path / "d")
        with pytest.raises(UsageError, match=re.escape(f"talk.pdf is here already, in {tmp_path / 'd'}")):
            session.add(FILE, tmp_path / "e")
        assert only(session).path == str(tmp_path / "d" / "talk.pdf")
    with pytest.raises(UsageError, match="stopping"):
        session.add(FOLDER, tmp_path / "d")


def test_two_torrents_of_one_name_never_write_into_one_file(tmp_path: Path) -> None:
    other = single("talk.pdf", make_bytes(9 * PIECE, "other"))
    put(tmp_path / "seed", {"talk.pdf": DATA})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        leecher.add(FILE, tmp_path / "got")
        wait_for(leecher, "downloading")
        leecher.add(other, tmp_path / "got")
        wait_until(lambda: leecher.snapshot().torrents[1].state == "error")
        refused = leecher.snapshot().torrents[1]
        assert "belongs to another torrent of this client" in refused.error
        assert refused.exit_code == 5
        leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
        wait_until(lambda: leecher.snapshot().torrents[0].state == "seeding")
    assert tree(tmp_path / "got") == {"talk.pdf": DATA}


def test_a_foreign_file_stops_its_torrent_alone(tmp_path: Path) -> None:
    put(tmp_path / "d", {"talk.pdf": b"my thesis"})
    put(tmp_path / "d" / "Übung 1", PARTS)
    with running(tmp_path / "p") as session:
        session.add(FILE, tmp_path / "d")
        session.add(FOLDER, tmp_path / "d")
        wait_until(lambda: [t.state for t in session.snapshot().torrents] == ["error", "seeding"])
        refused = session.snapshot().torrents[0]
        assert "matches the torrent nowhere" in refused.error
        assert refused.exit_code == 5
    assert (tmp_path / "d" / "talk.pdf").read_bytes() == b"my thesis"


def test_a_torrent_that_failed_is_tried_anew(tmp_path: Path) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    put(tmp_path / "got", {"talk.pdf": b"my thesis"})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        for _ in range(2):
            leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
            wait_for(leecher, "error")
        (tmp_path / "got" / "talk.pdf").rename(tmp_path / "got" / "thesis.pdf")
        leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
        wait_for(leecher, "seeding")
    assert tree(tmp_path / "got") == {"talk.pdf": DATA, "thesis.pdf": b"my thesis"}


def test_a_bug_in_the_check_is_an_error_not_a_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("gotorrent.storage.preparation.inspect", fail)
    with running(tmp_path / "p") as session:
        session.add(FILE, tmp_path / "d")
        assert "bug in GoTorrent (surprise)" in wait_for(session, "error").error


# --- ports


def test_a_busy_default_port_moves_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        busy = holder.getsockname()[1]
        session = Session(ClientConfig(peer_port=busy), tmp_path)
        session.start()
        try:
            assert session.peer_port > busy
            moved = session.peer_port
            assert session.snapshot().notices == (f"port {busy} for peers was in use, listening on {moved} instead",)
            assert session.snapshot().peer_port == moved
        finally:
            session.stop()
    again = Session(ClientConfig(peer_port=busy), tmp_path)
    again.start()
    try:
        assert again.peer_port == moved, "it stays, though the usual one is free again"
    finally:
        again.stop()


def test_a_busy_port_that_was_given_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        session = Session(ClientConfig(), tmp_path, peer_port=holder.getsockname()[1])
        with pytest.raises(PortBusyError, match="is in use"):
            session.start()
        session.stop()


# --- stopping


def test_stop_is_idempotent_and_needs_no_start(tmp_path: Path) -> None:
    for started in (False, True):
        session = Session(ClientConfig(), tmp_path, peer_port=0)
        if started:
            session.start()
        session.stop()
        session.stop()
        assert session.snapshot().torrents == ()


def test_stop_takes_less_than_5_seconds_whatever_hangs(tmp_path: Path) -> None:
    with full_port() as full, deaf_port() as deaf, deaf_port() as tracker:
        metainfo = single("talk.pdf", DATA, trackers=[f"http://127.0.0.1:{tracker}/announce"])
        session = Session(ClientConfig(), tmp_path / "p", peer_port=0)
        session.start()
        session.add(metainfo, tmp_path / "d", peers=[("127.0.0.1", full), ("127.0.0.1", deaf)])
        with socket.create_connection(here(session)) as silent:
            wait_until(lambda: only(session).waiting_for == "connecting to 1 peer")
            assert only(session).trackers[0].status == "waiting for an answer"
            wait_until(lambda: len(session._listener._threads) == 3)
            begun = time.monotonic()
            session.stop()
            assert time.monotonic() - begun < 5
            assert silent.recv(1) == b""
        assert only(session).state == "stopped"
        assert only(session).exit_code == 7
        assert not [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]


def test_stop_in_the_middle_of_a_transfer(tmp_path: Path) -> None:
    data = make_bytes(4_000_000)
    metainfo = single("big", data)
    put(tmp_path / "seed", {"big": data})
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:
        seed.add(metainfo, tmp_path / "seed")
        wait_for(seed, "seeding")
        leecher.add(metainfo, tmp_path / "got", peers=[here(seed)])
        wait_until(lambda: only(leecher).have_count)
        begun = time.monotonic()
        leecher.stop()
        assert time.monotonic() - begun < 4
        have = only(leecher).have_count
    with running(tmp_path / "p2") as again:
        again.add(metainfo, tmp_path / "got")
        wait_until(lambda: only(again).state in ("downloading", "seeding"))
        assert only(again).have_count == have


def test_what_was_complete_when_stopped_ends_with_0(tmp_path: Path) -> None:
    put(tmp_path / "d", {"talk.pdf": DATA})
    with running(tmp_path / "p") as session:
        session.add(FILE, tmp_path / "d")
        wait_for(session, "seeding")
    stopped = only(session)
    assert (stopped.state, stopped.exit_code, stopped.waiting_for) == ("stopped", 0, "")


def test_stop_wakes_a_timer_that_is_just_clearing_its_event(tmp_path: Path) -> None:
    session = Session(ClientConfig(), tmp_path, peer_port=0)
    real_clear, stopper, entered = session._woken.clear, threading.Thread(target=session.stop), threading.Event()

    def clear() -> None:
        if not stopper.ident:
            stopper.start()
            entered.set()
            wait_until(lambda: session._stopping and session._woken.is_set())
        real_clear()

    session._woken.clear = clear  # type: ignore[method-assign]
    session.start()
    assert entered.wait(5)
    stopper.join(5)
    missed = stopper.is_alive()
    session._woken.set()
    stopper.join(5)
    assert not missed


# --- the next start


def test_after_a_clean_stop_nothing_is_hashed_and_after_another_everything(tmp_path: Path, hashed: list[int]) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    with running(tmp_path / "p1") as seed:
        seed.add(FILE, tmp_path / "seed")
        wait_for(seed, "seeding")
        assert sorted(hashed) == list(range(41))
        with running(tmp_path / "p2") as leecher:
            leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
            wait_for(leecher, "seeding")
            shutil.copytree(tmp_path / "p2", tmp_path / "crashed")
    hashed.clear()
    for profile, where in ((tmp_path / "p1", "seed"), (tmp_path / "p2", "got")):
        with running(profile) as again:
            again.add(FILE, tmp_path / where)
            wait_for(again, "seeding")
        assert hashed == [], f"{where} was stopped cleanly"
    with running(tmp_path / "crashed") as again:
        again.add(FILE, tmp_path / "got")
        wait_for(again, "seeding")
    assert sorted(hashed) == list(range(41))


def test_a_stop_right_after_the_check_forgets_nothing(tmp_path: Path, hashed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "d", {"talk.pdf": DATA[: 30 * PIECE]})
    session = Session(ClientConfig(), tmp_path / "p", peer_port=0)
    real = torrent.Preparation.run

    def run(prepare: Any, stop: threading.Event, progress: Any) -> Any:
        have = real(prepare, stop, progress)
        session._find(FILE.info_hash).stop()  # type: ignore[union-attr]
        return have

    with monkeypatch.context() as patch:
        patch.setattr(torrent.Preparation, "run", run)
        session.start()
        session.add(FILE, tmp_path / "d")
        wait_for(session, "stopped")
        session.stop()
    hashed.clear()
    with running(tmp_path / "p") as again:
        again.add(FILE, tmp_path / "d")
        wait_for(again, "downloading")
        assert only(again).have_count == 30
    assert hashed == []


def test_snapshots_may_be_taken_at_any_time_from_any_thread(tmp_path: Path) -> None:
    put(tmp_path / "seed", {"talk.pdf": DATA})
    end, seen = threading.Event(), []
    with running(tmp_path / "p1") as seed, running(tmp_path / "p2") as leecher:

        def look() -> None:
            while not end.is_set():
                for snapshot in (seed.snapshot(), leecher.snapshot()):
                    seen.extend(t.state for t in snapshot.torrents if 0 <= t.progress <= 1 and 0 <= t.left <= t.total)

        watchers = [threading.Thread(target=look) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
        try:
            seed.add(FILE, tmp_path / "seed")
            leecher.add(FILE, tmp_path / "got", peers=[here(seed)])
            wait_for(leecher, "seeding", 15)
        finally:
            end.set()
            for watcher in watchers:
                watcher.join()
    assert "seeding" in seen
