"""How the commands print."""

from __future__ import annotations

import io
import json

import pytest

from gotorrent.cli import output
from gotorrent.cli.output import Output


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (16 * 1024, "16 KiB"),
        (1024**2 - 1, "1 MiB"), (99.94 * 1024, "99.9 KiB"), (250 * 1024**2, "250 MiB"), (1024**4, "1 TiB"),
        (5000 * 1024**4, "5000 TiB"),
    ],
)  # fmt: skip
def test_sizes(count: float, text: str) -> None:
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3723, "1:02:03"), (90_000, "25:00:00"), (200_000, "2 days")]
)
def test_durations(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(("fraction", "text"), [(0, "0 %"), (0.129, "12 %"), (0.9999, "99 %"), (1, "100 %")])
def test_percent_is_100_only_when_it_is_all_there(fraction: float, text: str) -> None:
    assert output.percent(fraction) == text


def test_counted() -> None:
    assert [output.counted(number, "peer") for number in (0, 1, 2)] == ["0 peers", "1 peer", "2 peers"]


def test_what_controls_a_terminal_or_turns_a_line_is_taken_out() -> None:
    stream = io.StringIO()
    Output(stream=stream).say("a\x1b[2Jb\x9bc\u202etxt.exe\r\nd\te")
    assert stream.getvalue() == "a\ufffd[2Jb\ufffdc\ufffdtxt.exe\ufffd\nd\te\n"


def test_each_mode_prints_its_own_and_errors_always() -> None:
    printed = {}
    for mode in ("text", "json", "quiet"):
        stream, errors = io.StringIO(), io.StringIO()
        out = Output(mode, stream, errors)  # type: ignore[arg-type]
        out.say("hello")
        out.emit("start", port=1)
        out.error("no such file", 4)
        assert errors.getvalue() == "no such file\n"
        printed[mode] = stream.getvalue()
    assert printed["text"] == "hello\n"
    assert printed["quiet"] == ""
    assert [json.loads(line) for line in printed["json"].splitlines()] == [
        {"event": "start", "port": 1},
        {"event": "error", "message": "no such file", "exit_code": 4},
    ]


def test_what_a_stream_cannot_encode_is_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    Output(stream=stream, errors=stream).say("日 \udcff")
    assert stream.buffer.getvalue() == b"\\u65e5 \\udcff\n"  # type: ignore[attr-defined]
