"""The benchmarks run to their end and print a ratio: on a tiny file, for their figures mean nothing at that size."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("libtorrent")

from tests.interop.programs import ROOT


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["download", "--peers", "1,3"], "ours x3 -> ours"),
        (["seed"], "seed_cpu"),
        (["create"], "ours, whole process"),
    ],
)
def test_a_benchmark_ends_with_its_table(arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "tests.bench", *arguments, "--size", "2M", "--runs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
