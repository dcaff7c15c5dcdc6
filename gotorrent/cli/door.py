"""What the two scripts check before they import anything else: the Python version and the packages. No BEP rules it.

It is written so that every Python 3 can read it: on an old one the person must get a sentence, not a SyntaxError.
"""

import importlib.util
import os
import sys

MINIMUM = (3, 10)
PACKAGES = ("bencodepy", "flask", "prometheus_client", "requests", "tqdm", "waitress", "yaml")  # as they are imported


def check(script: str) -> None:
    """End the program with one sentence and the one command that helps, unless `script` can run here."""
    if sys.version_info < MINIMUM:
        needed, found = (".".join(map(str, version)) for version in (MINIMUM, sys.version_info[:3]))
        sys.exit("GoTorrent needs Python %s or newer; %s is %s." % (needed, _python(), found))  # noqa: UP031
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        words = (", ".join(missing), _command(os.path.dirname(script) or ".", os.path.basename(script)))  # noqa: PTH119, PTH120
        sys.exit("GoTorrent needs packages that are not installed here: %s. This installs them:\n    %s" % words)  # noqa: UP031


def _command(folder: str, name: str) -> str:
    """What to type: into the environment in use, else into one of its own, since most systems protect their Python."""
    project = '"%s"' % folder if " " in folder else folder  # noqa: UP031
    if sys.prefix != sys.base_prefix:
        return "%s -m pip install -e %s" % (_python(), project)  # noqa: UP031
    python = os.path.join(".venv", "Scripts", "python.exe") if os.name == "nt" else ".venv/bin/python"  # noqa: PTH118
    words = (_python(), python, project, python, os.path.join(folder, name) if folder != "." else name)  # noqa: PTH118
    return "%s -m venv .venv && %s -m pip install -e %s && %s %s" % words  # noqa: UP031


def _python() -> str:
    """The interpreter as the person called it."""
    return (getattr(sys, "orig_argv", None) or [sys.executable])[0] or "python"
