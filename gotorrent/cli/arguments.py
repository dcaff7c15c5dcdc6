"""Reading a command line: a table of flags in, values out. No BEP rules it.

`-name VALUE`, `--name VALUE`, `-name=VALUE` and `--name=VALUE` are the same; `--` ends the flags. It refuses abbreviations,
which argparse takes whenever a name has one dash (a flag added later would then change what `-t` means), a flag given twice,
and a value that is itself a flag. Everything that is wrong is a UsageError in one sentence.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gotorrent.errors import UsageError

_HELP_COLUMN = 26


@dataclass(frozen=True)
class Flag:
    """One flag: its name without dashes, what it does, what stands for its value in the help ("" if it takes none).

    `read` turns the text of the value into the value; the ValueError it raises ends the sentence "-name VALUE: ...".
    """

    name: str
    help: str
    value: str = ""
    read: Callable[[str], Any] = str
    many: bool = False


def parse(flags: Sequence[Flag], arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The value of every flag by its name, and the arguments that are no flags.

    A flag that was not given is None, a switch False, a flag that may be given many times an empty list. Raises UsageError.
    """
    known = {flag.name: flag for flag in flags}
    values: dict[str, Any] = {flag.name: [] if flag.many else None if flag.value else False for flag in flags}
    given: set[str] = set()
    rest: list[str] = []
    waiting = list(reversed(arguments))
    while waiting:
        argument = waiting.pop()
        if argument == "--":
            return values, rest + waiting[::-1]
        if not argument.startswith("-") or argument == "-":
            rest.append(argument)
            continue
        name, equals, text = argument.removeprefix("-").removeprefix("-").partition("=")
        flag = known.get(name)
        if flag is None:
            raise UsageError(_unknown(argument, name, known))
        if name in given and not flag.many:
            raise UsageError(f"-{name} is given twice")
        given.add(name)
        if not flag.value:
            if equals:
                raise UsageError(f"-{name} takes no value")
            values[name] = True
            continue
        if not equals:
            if not waiting or (waiting[-1].startswith("-") and waiting[-1].lstrip("-").partition("=")[0] in known):
                raise UsageError(f"-{name} needs a value: -{name} {flag.value}")
            text = waiting.pop()
        value = _read(flag, text)
        if flag.many:
            values[name].append(value)
        else:
            values[name] = value
    return values, rest


def _unknown(argument: str, name: str, known: Mapping[str, Flag]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean -{near[0]}?" if near else "-h lists them all"
    return f"there is no flag {argument}; {hint}"


def _read(flag: Flag, text: str) -> Any:
    try:
        return flag.read(text)
    except ValueError as error:
        raise UsageError(f"-{flag.name} {text}: {error}") from None


def port(text: str) -> int:
    """A port number, 0 to 65535."""
    return _number(text, 0, 65535)


def count(text: str) -> int:
    """A whole number from 1 on."""
    return _number(text, 1, 10**9)


def seconds(text: str) -> float:
    """A positive time in seconds, as `30` or `0.5`."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("this is not a number of seconds") from None
    if not 0 < value <= 10**9:
        raise ValueError("a number of seconds is more than 0")
    return value


def _number(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high):
        raise ValueError(f"this is not a whole number from {low} to {high}")
    return int(text)


def usage(synopsis: str, groups: Mapping[str, Sequence[Flag]]) -> str:
    """The text that `-h` prints: the synopsis, then each group of flags under its heading."""
    lines = [synopsis.rstrip()]
    for heading, flags in groups.items():
        lines += ["", heading]
        for flag in flags:
            left = f"  -{flag.name} {flag.value}".rstrip()
            doc = flag.help + (" (may be repeated)" if flag.many else "")
            wrapped = textwrap.wrap(doc, 100 - _HELP_COLUMN)
            if len(left) >= _HELP_COLUMN:
                lines.append(left)
                left = ""
            lines += [f"{left if number == 0 else '':{_HELP_COLUMN}}{part}" for number, part in enumerate(wrapped)]
    return "\n".join(lines) + "\n"
