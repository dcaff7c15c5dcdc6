"""Ports that stand in for the usual ones, and what a broken memory of them does: nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gotorrent.session.ports import recall, remember


def test_a_port_stands_in_only_for_the_one_it_was_taken_for(tmp_path: Path) -> None:
    assert recall(tmp_path, "peer", 6881) == 6881
    remember(tmp_path, "peer", 6881, 6882)
    remember(tmp_path, "ui", 3000, 3001)
    remember(tmp_path, "peer", 6881, 6885)
    assert [recall(tmp_path, "peer", 6881), recall(tmp_path, "ui", 3000)] == [6885, 3001]
    assert recall(tmp_path, "peer", 7000) == 7000, "the configuration has changed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "[" * 5000,
        json.dumps({"version": 2, "ports": {"peer": [6881, 6885]}}),
        json.dumps({"version": 1, "ports": []}),
        json.dumps({"version": 1, "ports": {"peer": 6885}}),
        json.dumps({"version": 1, "ports": {"peer": [6881, "6885"]}}),
        json.dumps({"version": 1, "ports": {"peer": [6881, 70000]}}),
        json.dumps({"version": 1, "ports": {"peer": [6881, True]}}),
        json.dumps({"version": 1, "ports": {"peer": [6881, 6885], "pad": "x" * 20_000}}),
    ],
)
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert recall(tmp_path, "peer", 6881) == 6881
    remember(tmp_path, "peer", 6881, 6882)
    assert recall(tmp_path, "peer", 6881) == 6882


def test_a_profile_that_cannot_be_written_forgets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file", "peer", 6881, 6882)
    assert recall(tmp_path / "file", "peer", 6881) == 6881
