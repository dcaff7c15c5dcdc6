"""Every setting, its default, its unit and its reason: `config.yaml` is printed from this file. No BEP rules it.

Settings come from a flag, then `-config FILE`, else `config.yaml` in the current folder, else in the user's
configuration folder, else from here. Unknown keys, wrong types and values out of range are errors that name key and
line. The program never writes `config.yaml`.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gotorrent.errors import ConfigError

if TYPE_CHECKING:
    import yaml

FILE_NAME = "config.yaml"
MAX_FILE_SIZE = 64 * 1024  # bytes; the whole file, comments and all, is about 6 KiB


def _setting(default: Any, doc: str, low: float | None = None, high: float | None = None) -> Any:
    """One setting; `doc` becomes its comment in config.yaml, `low` and `high` (inclusive) are checked on reading."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high})


@dataclass(frozen=True)
class ClientConfig:
    """Settings of `client.py`."""

    download_dir: str = _setting("~/Downloads", "folder for new downloads when -dir is not given; ~ is your home folder")
    tracker_url: str = _setting(
        "http://localhost:8080/announce", "tracker that -create writes into a torrent when -tracker is not given"
    )
    peer_port: int = _setting(
        6881, "TCP port on which other peers reach us; a busy default moves to the next free one; 0 = any", 0, 65535
    )
    ui_port: int = _setting(3000, "port of the web UI on 127.0.0.1; a busy default moves to the next free one", 1, 65535)
    open_browser: bool = _setting(True, "open the web UI in the browser at the start")
    max_peers_per_torrent: int = _setting(80, "connections of one torrent", 1, 10_000)
    max_peers: int = _setting(400, "connections of the whole client: one thread each", 1, 10_000)
    max_half_open: int = _setting(40, "connection attempts at the same time", 1, 1000)
    upload_slots: int = _setting(5, "peers of one torrent that we upload to at the same time", 1, 1000)
    choke_interval: float = _setting(10.0, "seconds between two decisions whom to upload to", 0.1, 3600)
    unverified_mib: int = _setting(
        32, "MiB of one torrent that may be requested or received but not yet verified, all peers together", 1, 4096
    )
    request_window: int = _setting(
        512, "most 16 KiB blocks requested from one peer at a time (never over what the peer allows)", 1, 2000
    )
    connect_timeout: float = _setting(10.0, "seconds for a peer to accept a connection", 0.1, 300)
    handshake_timeout: float = _setting(10.0, "seconds for a peer to complete the handshake", 0.1, 300)
    idle_timeout: float = _setting(180.0, "seconds of silence after which a peer is closed", 1, 3600)
    keepalive_interval: float = _setting(100.0, "seconds of our own silence after which we send a keep-alive", 1, 3600)
    block_timeout: float = _setting(60.0, "seconds without a requested block after which others are asked for it", 0.5, 3600)
    open_files: int = _setting(256, "files held open at the same time", 4, 100_000)
    hash_threads: int = _setting(0, "threads that hash for -create; 0 = one per processor", 0, 256)
    announce_timeout: float = _setting(10.0, "seconds for a tracker's whole answer", 0.5, 120)
    numwant: int = _setting(80, "peers we ask a tracker for", 0, 200)


@dataclass(frozen=True)
class TrackerConfig:
    """Settings of `tracker.py`."""

    host: str = _setting("", 'address to listen on; "" = all addresses, IPv4 and IPv6')
    port: int = _setting(8080, "HTTP port; the tracker never moves to another one", 0, 65535)
    udp_port: int = _setting(-1, "UDP port; -1 = the same number as the HTTP port, 0 = no UDP", -1, 65535)
    announce_interval: int = _setting(60, "seconds that a client should wait between two announces", 1, 86_400)
    min_interval: int = _setting(15, "seconds that a client must wait between two announces", 1, 86_400)
    peer_timeout: int = _setting(
        1800, "seconds after its last announce until a peer is forgotten; one and a half intervals if that is more", 1, 864_000
    )
    numwant_default: int = _setting(50, "peers in an answer when the client does not say how many", 0, 200)
    numwant_max: int = _setting(200, "most peers in one answer", 1, 200)
    max_peers: int = _setting(
        1_000_000, "peers kept in memory, all torrents together; over it new ones are refused", 1, 100_000_000
    )
    threads: int = _setting(8, "threads that answer HTTP requests", 1, 256)
    connections: int = _setting(1000, "HTTP connections open at the same time", 10, 100_000)
    connections_per_address: int = _setting(
        64,
        "HTTP connections of one address, or IPv6 /64, at the same time; loopback and trusted_networks have no limit",
        1,
        100_000,
    )
    rate_limit: float = _setting(
        20.0, "announces and scrapes a second that one address, or IPv6 /64, may make in the long run; 0 = no limit", 0, 1_000_000
    )
    rate_burst: int = _setting(400, "announces and scrapes that one address may make at once", 1, 1_000_000)
    trusted_networks: str = _setting(
        "", 'addresses without those two limits, as "10.0.0.0/8, fd00::/8, private": a class behind one router, say'
    )
    trusted_proxies: str = _setting(
        "", 'reverse proxies whose X-Forwarded-For is believed, as "127.0.0.1, ::1"; unix = those on a Unix socket'
    )
    believe_ip: bool = _setting(
        False, "take the address that a client on a private network gives in ip= for its own; whoever does so is believed"
    )
    dial_back: bool = _setting(True, "connect once to each peer on a private address, and warn it when that fails; nothing is sent")
    allow_file: str = _setting("", 'file of info-hashes, 40 hex digits a line, that alone are served; "" = all')
    deny_file: str = _setting("", 'file of info-hashes that are not served; "" = none')
    passkey_file: str = _setting(
        "", 'file of passkeys, written by tracker.py -passkey; with one, only announce URLs that end in a key work; "" = open'
    )
    state_file: str = _setting(
        "", 'file that keeps the counts of completed downloads over a restart; "" = in your state folder, "none" = not kept'
    )
    show_addresses: bool = _setting(
        False, "tell everybody who opens the tracker's page the addresses of peers: for a classroom, where all know each other"
    )
    store: str = _setting("memory", "where peers are kept: memory, or redis://host:port/db to share them with other trackers")


@dataclass(frozen=True)
class Config:
    """The whole of `config.yaml`: one section for each of the two programs."""

    client: ClientConfig = field(default_factory=ClientConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)


def load(path: str | None = None) -> tuple[Config, str | None]:
    """The settings, and the file they came from (None: no file, all built-in). `path` is what `-config` named.

    Raises ConfigError with the file, the line and the key when the file cannot be read or is not what it should be.
    """
    candidates = [Path(path)] if path is not None else [Path(FILE_NAME), user_config_folder() / FILE_NAME]
    for candidate in candidates:
        try:
            with candidate.open("rb") as file:
                data = file.read(MAX_FILE_SIZE + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"cannot read the configuration {candidate}: {error.strerror}") from None
        return parse(data, str(candidate)), str(candidate)
    if path is not None:
        raise ConfigError(f"there is no configuration file {path}")
    return Config(), None


def user_config_folder() -> Path:
    """The folder in which this system's users keep GoTorrent's configuration; it need not exist."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "gotorrent"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "gotorrent"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gotorrent"


def parse(data: bytes, name: str) -> Config:
    """Read the text of a `config.yaml`; `name` is what its errors call it. What is not mentioned keeps its default.

    Only the tree of nodes is built, never a Python object: a tag or an alias in the file can do nothing. Raises
    ConfigError.
    """
    import yaml

    if len(data) > MAX_FILE_SIZE:
        raise ConfigError(f"{name} is longer than {MAX_FILE_SIZE // 1024} KiB: this is no GoTorrent configuration")
    try:
        root = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not UTF-8 text") from None
    except RecursionError:
        raise ConfigError(f"{name} is nested too deeply: this is no GoTorrent configuration") from None
    except yaml.MarkedYAMLError as error:
        where = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{name}{where}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {str(error).splitlines()[0]}") from None
    client, tracker = ClientConfig(), TrackerConfig()
    for key, node, line in _entries(root, name, ("client", "tracker")):
        if key == "client":
            client = ClientConfig(**_section(client, node, name, key, line))
        else:
            tracker = TrackerConfig(**_section(tracker, node, name, key, line))
    return Config(client, tracker)


def _section(defaults: ClientConfig | TrackerConfig, node: yaml.Node, name: str, key: str, line: int) -> dict[str, Any]:
    """The settings given below `client:` or `tracker:`, checked against their fields."""
    settings = {setting.name: setting for setting in fields(defaults)}
    return {
        setting: _value(value, settings[setting], f"{name} line {number}: {key}.{setting}")
        for setting, value, number in _entries(node, name, tuple(settings), f"{key}.", line)
    }


def _entries(
    node: yaml.Node | None, name: str, known: tuple[str, ...], prefix: str = "", line: int = 1
) -> Iterator[tuple[str, yaml.Node, int]]:
    """The (key, value, line) of a mapping; its keys must be among `known`, each once. A blank one has none."""
    import yaml

    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
        return
    if not isinstance(node, yaml.MappingNode):
        what = prefix.rstrip(".") or "a configuration"
        raise ConfigError(f"{name} line {line}: {what} must have settings below it, each as `key: value`")
    seen: set[str] = set()
    for key_node, value in node.value:
        number = key_node.start_mark.line + 1
        key = key_node.value[:100] if isinstance(key_node, yaml.ScalarNode) else "[...]"
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; there are: {', '.join(known)}"
            raise ConfigError(f"{name} line {number}: there is no setting {prefix}{key}{hint}")
        if key in seen:
            raise ConfigError(f"{name} line {number}: {prefix}{key} is given twice")
        seen.add(key)
        yield key, value, number


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,12})?")


def _value(node: yaml.Node, setting: Any, where: str) -> Any:
    """One checked value; its type is that of the default. `where` opens the sentence of a ConfigError."""
    kind = type(setting.default)
    text = node.value if isinstance(node.value, str) else None
    plain = text is not None and getattr(node, "style", None) is None
    value: Any = None
    if kind is str and node.tag == "tag:yaml.org,2002:str":
        value = text
    elif kind is bool and plain:
        value = _BOOLEANS.get(str(text).lower())
    elif kind is int and plain and _INTEGER.fullmatch(str(text)):
        value = int(str(text))
    elif kind is float and plain and _DECIMAL.fullmatch(str(text)):
        value = float(str(text))
    if value is None:
        quotes = ": put it in quotes" if kind is str and text else ""
        shown = repr(text[:60]) if text is not None else "a list or a mapping"
        raise ConfigError(f"{where} must be {_KINDS[kind]}, not {shown}{quotes}")
    low, high = setting.metadata["low"], setting.metadata["high"]
    if low is not None and not low <= value <= high:
        raise ConfigError(f"{where} must be from {low} to {high}, not {value}")
    return value


def render(config: Config) -> str:
    """The text of a `config.yaml` with these settings, each with its comment; `parse` reads it back to the same."""
    lines = [
        "# Settings of GoTorrent: every one, with its default. Copy what you want to change; the rest may be left out.",
        "# Read from -config FILE, else config.yaml in the current folder, else in your configuration folder",
        "# (Linux ~/.config/gotorrent, macOS ~/Library/Application Support/gotorrent, Windows %APPDATA%\\gotorrent).",
        "# This file is printed from gotorrent/config.py.",
    ]
    for section in fields(config):
        values = getattr(config, section.name)
        lines += ["", f"{section.name}:"]
        for setting in fields(values):
            lines += textwrap.wrap(setting.metadata["doc"], 110, initial_indent="  # ", subsequent_indent="  # ")
            value = getattr(values, setting.name)
            lines.append(f"  {setting.name}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
