"""The house holds: who may import whom, what each module opens with, what may stand where, how long it may be.

The rules are those of docs/architecture.md. They are read from the source with `ast`; nothing is run. Each test collects all
offences, so that one run shows them all.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

from gotorrent import errors
from gotorrent.cli import door

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

TOP_LEVEL = {
    *("setup.cfg", "setup.py", "README.md", "LICENSE", "config.yaml", "tracker.py", "client.py"),
    *("gotorrent", "web_ui", "tests", "testdata", "docs"),
}
LEFTOVERS = {"build", "dist", "gotorrent.egg-info", "__pycache__"}  # of builds and runs; git does not keep them

LAYERS: dict[str, set[str]] = {  # what each may import, besides itself and the root modules
    "root": set(),
    "metainfo": set(),
    "wire": {"metainfo"},
    "storage": {"metainfo", "wire"},
    "discovery": {"metainfo", "wire"},
    "swarm": {"metainfo", "wire", "storage", "discovery"},
    "session": {"metainfo", "wire", "storage", "discovery", "swarm"},
    "tracker": {"metainfo", "wire"},
    "web_ui": {"metainfo", "session", "tracker"},
    "cli": {"metainfo", "wire", "storage", "discovery", "swarm", "session", "tracker", "web_ui"},
}
WEB = {"flask", "werkzeug", "waitress", "jinja2"}
NOT_IN_WIRE = {"socket", "select", "threading", "time", "os", "io", "pathlib", "random", "subprocess"}
CLOCKS = {"time.time", "time.monotonic", "time.perf_counter", "time.sleep", "datetime.datetime.now", "datetime.now"}
WITHOUT_TEST = {  # modules that other tests cover; this list may only shrink
    "clock": "two lines",
    "errors": "the table of exit codes, below",
    "metainfo/hasher": "tests/metainfo/test_create.py",
    "session/snapshot": "dataclasses without code",
    "web_ui/tracker_server": "tests/web_ui/test_tracker_app.py, over real HTTP",
}

Module = tuple[str, str, ast.Module]  # path below the project, layer, syntax tree


def layer(dotted: str) -> str:
    """The layer of a module: `gotorrent.wire.stream` is "wire", `gotorrent.errors` is "root"."""
    parts = dotted.split(".")
    if parts[0] == "web_ui":
        return "web_ui"
    return parts[1] if len(parts) > 1 and (ROOT / "gotorrent" / parts[1]).is_dir() else "root"


def modules() -> Iterator[Module]:
    for folder in ("gotorrent", "web_ui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield name, layer(name.removesuffix(".py").replace("/", ".")), ast.parse(path.read_text(encoding="utf-8"))


def imports(nodes: Iterator[ast.AST]) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything imported; `from a import b` gives `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{'.' * node.level}{node.module}.{alias.name}", node.lineno) for alias in node.names)


def calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name as written, line) of every call."""
    return ((ast.unparse(node.func), node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Call))


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Functions, classes and methods with their dotted names, not what is inside functions."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def test_imports_go_in_one_direction() -> None:
    offences = []
    for path, here, tree in modules():
        for name, line in imports(ast.walk(tree)):
            top = name.split(".")[0]
            if top in ("", "tests") or (top in ("gotorrent", "web_ui") and layer(name) not in LAYERS[here] | {"root", here}):
                offences.append(f"{path}:{line}: {here} may not import {name}")
    assert not offences, "\n".join(offences)


def test_pages_see_snapshots_and_only_the_tracker_pages_see_the_tracker() -> None:
    offences = []
    for path, here, tree in modules():
        for name, line in imports(ast.walk(tree)):
            if here == "web_ui" and name.startswith("gotorrent.session.") and ".snapshot" not in name:
                offences.append(f"{path}:{line}: {name}")
            if path.startswith("web_ui/client") and layer(name) == "tracker":
                offences.append(f"{path}:{line}: {name}")
            if path.startswith("web_ui/tracker") and layer(name) == "session":
                offences.append(f"{path}:{line}: {name}")
    assert not offences, "\n".join(offences)


def test_only_the_pages_use_flask() -> None:
    offences = []
    for path, here, tree in modules():
        if here != "web_ui":
            web = [(name, line) for name, line in imports(ast.walk(tree)) if name.split(".")[0] in WEB]
            offences += [f"{path}:{line}: {name}" for name, line in web]
    assert not offences, "\n".join(offences)


def test_wire_knows_no_socket_thread_clock_or_file() -> None:
    offences = []
    for path, here, tree in modules():
        if here == "wire":
            offences += [f"{path}:{line}: {name}" for name, line in imports(ast.walk(tree)) if name.split(".")[0] in NOT_IN_WIRE]
            offences += [f"{path}:{line}: open" for name, line in calls(tree) if name == "open"]
    assert not offences, "\n".join(offences)


def test_only_the_commands_print_and_read_arguments() -> None:
    offences = []
    for path, here, tree in modules():
        if here != "cli":
            spoken = ("print", "input", "sys.stdout.write", "sys.stderr.write", "sys.exit")
            offences += [f"{path}:{line}: {name}" for name, line in calls(tree) if name in spoken]
            offences += [f"{path}:{line}: {name}" for name, line in imports(ast.walk(tree)) if name in ("argparse", "getopt")]
            offences += [f"{path}: sys.argv" for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "argv"]
    assert not offences, "\n".join(offences)


def test_only_clock_py_reads_a_clock_and_nothing_sleeps() -> None:
    offences = []
    for path, _, tree in modules():
        if path != "gotorrent/clock.py":
            offences += [f"{path}:{line}: {name}" for name, line in calls(tree) if name in CLOCKS]
            offences += [f"{path}:{line}: {name}" for name, line in imports(ast.walk(tree)) if name.startswith("time.")]
    assert not offences, "\n".join(offences)


def test_nothing_is_checked_with_assert() -> None:
    offences = [f"{path}:{node.lineno}" for path, _, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not offences, "\n".join(offences)


def test_only_metainfo_does_arithmetic_with_pieces() -> None:
    offences = []
    for path, _, tree in modules():
        for node in ast.walk(tree):
            divides = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.FloorDiv, ast.Mod, ast.Div))
            divides = divides or (isinstance(node, ast.Call) and ast.unparse(node.func) == "divmod")
            if divides and "piece_length" in ast.unparse(node) and not path.startswith("gotorrent/metainfo/"):
                offences.append(f"{path}:{node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    assert not offences, "\n".join(offences)


def test_each_module_opens_with_what_it_is_and_which_bep_rules_it() -> None:
    offences = []
    for path, _, tree in modules():
        head = ast.get_docstring(tree) or ""
        if not re.search(r"BEP \d|\b[Nn]o BEP\b", head) and path != "gotorrent/__init__.py":
            offences.append(path)
    assert not offences, "\n".join(offences)


def test_public_functions_and_classes_say_what_they_do() -> None:
    offences = []
    for path, _, tree in modules():
        for name, node in definitions(tree):
            if not any(part.startswith("_") for part in name.split(".")) and not ast.get_docstring(node):
                offences.append(f"{path}:{node.lineno}: {name}")
    assert not offences, "\n".join(offences)


def test_files_and_functions_are_short() -> None:
    offences = []
    for path, _, tree in modules():
        lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            offences.append(f"{path}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES:
                offences.append(f"{path}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines")
    assert not offences, "\n".join(offences)


def test_tests_mirror_the_package() -> None:
    missing = []
    for path, _, _tree in modules():
        name = path.removesuffix(".py").removeprefix("gotorrent/")
        folder, _, stem = name.rpartition("/")
        tests = list((ROOT / "tests" / folder).glob(f"test_{stem}*.py"))
        if stem != "__init__" and not tests and name not in WITHOUT_TEST:
            missing.append(f"tests/{folder + '/' if folder else ''}test_{stem}.py")
    assert not missing, "\n".join(missing)
    assert {name for name in WITHOUT_TEST if any((base / f"{name}.py").exists() for base in (ROOT, ROOT / "gotorrent"))} == {
        *WITHOUT_TEST
    }


def test_the_top_level_is_what_was_agreed() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - LEFTOVERS
    assert found == TOP_LEVEL


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def test_everything_that_runs_is_installed() -> None:
    for path, _, _tree in modules():
        assert (ROOT / path).with_name("__init__.py").exists(), f"setup.cfg does not find {path}: its folder has no __init__.py"
    patterns = re.split(r"[,\s]+", setup()["options.package_data"]["web_ui"])
    data = [
        path
        for path in (ROOT / "web_ui").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and "/." not in str(path)
    ]
    assert data != []
    assert [str(path) for path in data if not any(path.relative_to(ROOT / "web_ui").match(pattern) for pattern in patterns)] == []


def test_the_console_scripts_are_there() -> None:
    for line in setup()["options.entry_points"]["console_scripts"].split("\n")[1:]:
        target, _, function = line.partition("=")[2].strip().partition(":")
        tree = ast.parse((ROOT / f"{target.replace('.', '/')}.py").read_text(encoding="utf-8"))
        assert function in [name for name, _ in definitions(tree)]


def test_each_package_we_need_is_checked_by_the_doors_and_explained_in_the_docs() -> None:
    needed = [re.split(r"[<>=]", line)[0] for line in setup()["options"]["install_requires"].split()]
    modules_of = {"bencode.py": "bencodepy", "PyYAML": "yaml"}
    assert sorted(modules_of.get(name, name.lower()) for name in needed) == sorted(door.PACKAGES)
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [name for name in needed if f"| {name} " not in text] == []


def test_the_table_of_exit_codes_is_complete() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    codes = {cls.exit_code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.GoTorrentError)}
    assert {int(code) for code in re.findall(r"^\| (\d) \|", text, re.MULTILINE)} == codes | {0}


def test_every_path_that_the_documents_name_exists() -> None:
    missing = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "testdata").rglob("*.md")]:
        for span in re.findall(r"`([^`\n]+)`|\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8")):
            text = (span[0] or span[1]).rstrip("/")
            looks_like_a_path = re.fullmatch(r"[\w./-]+", text) and ("/" in text or re.search(r"\.(py|md|yaml|cfg)$", text))
            if not looks_like_a_path or text.startswith(("/", ".venv", "http")):
                continue
            if not any((base / text).exists() for base in (ROOT, document.parent, ROOT / "gotorrent")):
                missing.append(f"{document.relative_to(ROOT)}: {text}")
    assert not missing, "\n".join(missing)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"\.venv/bin/python -m pytest[^\n`]*", readme)
    assert command
    assert command[0] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
