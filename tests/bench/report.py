"""Figures as lines of text: medians with their ranges, and ratios of medians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from tests.bench.peers import Sample

GIB = 1024**3
MIB = 1024**2


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median of `values`, and their range where there are several: "512 (498-530)"."""
    middle = f"{median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratio(ours: Sequence[Sample], anchor: Sequence[Sample], figure: Callable[[Sample], float]) -> float:
    """Our median of `figure` divided by the anchor's."""
    return median(map(figure, ours)) / median(map(figure, anchor))


def table(rows: Sequence[Sequence[str]]) -> str:
    """`rows` in columns; the first row is the heading, the first column is left-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


DOWNLOAD_HEADING = ("download", "MB/s", "CPU s/GiB", "peak MiB", "seed CPU s/GiB", "seed peak MiB")


def download_row(name: str, samples: Sequence[Sample], size: int) -> tuple[str, ...]:
    """A line under `DOWNLOAD_HEADING`; MB/s are millions of bytes per second."""
    return (
        name,
        spread([size / sample.seconds / 1e6 for sample in samples]),
        spread([sample.cpu * GIB / size for sample in samples], 2),
        spread([sample.peak / MIB for sample in samples]),
        spread([sample.seed_cpu * GIB / size for sample in samples], 2),
        spread([sample.seed_peak / MIB for sample in samples]),
    )
