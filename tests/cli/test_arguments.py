"""Reading a command line."""

from __future__ import annotations

import pytest

from gotorrent.cli import arguments
from gotorrent.cli.arguments import Flag, parse
from gotorrent.errors import UsageError

FLAGS = [
    Flag("exit", "leave"),
    Flag("port", "the port", "N", arguments.port),
    Flag("tracker", "a tracker", "URL", many=True),
    Flag("timeout", "give up", "S", arguments.seconds),
]


def test_what_was_not_given() -> None:
    assert parse(FLAGS, []) == ({"exit": False, "port": None, "tracker": [], "timeout": None}, [])


@pytest.mark.parametrize("words", [["-port", "7"], ["--port", "7"], ["-port=7"], ["--port=7"]])
def test_one_dash_and_two_are_the_same(words: list[str]) -> None:
    values, rest = parse(FLAGS, ["a", *words, "b", "--exit"])
    assert (values["port"], values["exit"], rest) == (7, True, ["a", "b"])


def test_a_flag_that_may_be_repeated_keeps_its_order() -> None:
    assert parse(FLAGS, ["-tracker", "b", "-tracker=a=c"])[0]["tracker"] == ["b", "a=c"]


def test_two_dashes_end_the_flags_and_one_is_an_argument() -> None:
    assert parse(FLAGS, ["-", "--", "-exit", "--"])[1] == ["-", "-exit", "--"]


def test_a_value_may_begin_with_a_dash_when_no_flag_does() -> None:
    assert parse(FLAGS, ["-tracker", "-x"])[0]["tracker"] == ["-x"]
    assert parse(FLAGS, ["-tracker=-exit"])[0]["tracker"] == ["-exit"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-prt", "1"], "there is no flag -prt; did you mean -port?"),
        (["--zzz"], "there is no flag --zzz; -h lists them all"),
        (["-t"], "there is no flag -t"),
        (["-por=1"], "there is no flag -por"),
        (["---exit"], "there is no flag ---exit"),
        (["-exit=1"], "-exit takes no value"),
        (["-port"], "-port needs a value: -port N"),
        (["-port", "-exit"], "-port needs a value: -port N"),
        (["-port", "--exit=1"], "-port needs a value: -port N"),
        (["-port", "1", "-port", "1"], "-port is given twice"),
        (["-port", "65536"], "-port 65536: this is not a whole number from 0 to 65535"),
        (["-port", "-1"], "-port -1: this is not a whole number"),
        (["-port", "\u0663"], "this is not a whole number"),
        (["-port", "9" * 5000], "this is not a whole number"),
        (["-timeout", "soon"], "-timeout soon: this is not a number of seconds"),
        (["-timeout", "0"], "more than 0"),
        (["-timeout", "nan"], "more than 0"),
    ],
)
def test_what_is_wrong_is_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(FLAGS, words)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 2


def test_help_names_every_flag_and_fits_the_screen() -> None:
    text = arguments.usage(
        "program [SRC ...]", {"What to do": FLAGS, "More": [Flag("very-long-name-of-a-flag", "x " * 80, "VALUE")]}
    )
    assert text.startswith("program [SRC ...]\n\nWhat to do\n  -exit ")
    assert "-tracker URL" in text
    assert "(may be repeated)" in text
    assert max(map(len, text.splitlines())) <= 100
