"""Reading, checking and printing config.yaml."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotorrent import config
from gotorrent.config import ClientConfig, Config, TrackerConfig
from gotorrent.errors import ConfigError

SETTINGS = [
    (section, setting)
    for section, cls in (("client", ClientConfig), ("tracker", TrackerConfig))
    for setting in dataclasses.fields(cls)
]
NUMBERS = [(section, setting) for section, setting in SETTINGS if setting.metadata["low"] is not None]


def parse(text: str) -> Config:
    return config.parse(text.encode(), "c.yaml")


def refused(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigError) as caught:
        config.parse(data, "c.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_file_in_the_project_is_printed_from_the_dataclasses() -> None:
    text = (Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8")
    assert text == config.render(Config()), "write config.render(config.Config()) into config.yaml"
    assert parse(text) == Config()


def test_every_number_has_a_range_and_every_setting_a_comment_and_a_default_that_is_allowed() -> None:
    for _, setting in SETTINGS:
        assert len(setting.metadata["doc"]) > 10
        if isinstance(setting.default, (str, bool)):
            assert setting.metadata["low"] is setting.metadata["high"] is None
        else:
            assert setting.metadata["low"] <= setting.default <= setting.metadata["high"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "client:\n", "client:\ntracker:\n", "client: {}\n", "\ufeffclient:\n"])
def test_what_is_not_mentioned_keeps_its_default(text: str) -> None:
    assert parse(text) == Config()


def test_values_are_read() -> None:
    read = parse("tracker:\n  port: 0\n  host: '::1'\nclient:\n  open_browser: no\n  choke_interval: 3\n")
    assert read.tracker == TrackerConfig(port=0, host="::1")
    assert read.client == ClientConfig(open_browser=False, choke_interval=3.0)
    assert type(read.client.choke_interval) is float


@given(st.builds(ClientConfig, download_dir=st.text("aä~/: #\"'\\{[日😀", max_size=20), peer_port=st.integers(0, 65535)))
def test_what_is_printed_is_read_back(client: ClientConfig) -> None:
    assert parse(config.render(Config(client=client))) == Config(client=client)


@pytest.mark.parametrize(("section", "setting"), NUMBERS, ids=lambda value: getattr(value, "name", value))
def test_each_range_is_held_at_its_limits_and_one_past_them(section: str, setting: dataclasses.Field[float]) -> None:
    def value(number: float) -> float:
        return getattr(getattr(parse(f"{section}:\n  {setting.name}: {number}\n"), section), setting.name)  # type: ignore[no-any-return]

    low, high = setting.metadata["low"], setting.metadata["high"]
    assert value(low) == low
    assert value(high) == high
    for number in (low - 1, high + 1):
        message = refused(f"{section}:\n  {setting.name}: {number}\n")
        assert f"c.yaml line 2: {section}.{setting.name} must be from {low} to {high}" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("client:\n\n  peer_prt: 1\n", "line 3: there is no setting client.peer_prt; did you mean client.peer_port?"),
        ("clint:\n", "line 1: there is no setting clint; did you mean client?"),
        ("client:\n  [1]: 2\n", "line 2: there is no setting"),
        ("client:\n  peer_port: 1\n  peer_port: 2\n", "line 3: client.peer_port is given twice"),
        ("client: 3\n", "line 1: client must have settings below it"),
        ("- 1\n", "line 1: a configuration must have settings"),
        ("client:\n  peer_port: many\n", "line 2: client.peer_port must be a whole number, not 'many'"),
        ("client:\n  peer_port: '1'\n", "client.peer_port must be a whole number"),
        ("client:\n  peer_port: 1.5\n", "client.peer_port must be a whole number"),
        ("client:\n  peer_port: 1:30\n", "client.peer_port must be a whole number"),
        ("client:\n  peer_port: 0x10\n", "client.peer_port must be a whole number"),
        ("client:\n  peer_port: true\n", "client.peer_port must be a whole number"),
        ("client:\n  peer_port:\n", "client.peer_port must be a whole number"),
        ("client:\n  peer_port: [1]\n", "client.peer_port must be a whole number, not a list or a mapping"),
        ("client:\n  choke_interval: .nan\n", "client.choke_interval must be a number"),
        ("client:\n  choke_interval: 1e999\n", "client.choke_interval must be a number"),
        ("client:\n  open_browser: 1\n", "client.open_browser must be true or false"),
        ("client:\n  download_dir: 2024\n", "client.download_dir must be text, not '2024': put it in quotes"),
        ("client:\n  download_dir: !!python/object/apply:os.system ['x']\n", "client.download_dir must be text"),
        ("client:\n  download_dir: 'x\n", "not YAML"),
        ("client: {}\n---\nclient: {}\n", "not YAML"),
        ("client: \x07\n", "not YAML"),
        (b"client: \xff\n", "not UTF-8"),
        ("a: " + "[" * 30_000, "nested too deeply"),
        ("#" * (config.MAX_FILE_SIZE + 1), "longer than 64 KiB"),
        ("client: &c {peer_port: 1}\ntracker: *c\n", "there is no setting tracker.peer_port"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence_with_key_and_line(text: str | bytes, words: str) -> None:
    message = refused(text)
    assert message.startswith("c.yaml")
    assert words in message


def test_a_file_of_the_largest_size_is_read() -> None:
    assert parse("#" * config.MAX_FILE_SIZE) == Config()


class TestLoad:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        return tmp_path

    def test_nothing_anywhere_means_built_in(self) -> None:
        assert config.load(None) == (Config(), None)

    def test_flag_then_current_folder_then_user_folder(self, home: Path) -> None:
        (home / "xdg" / "gotorrent").mkdir(parents=True)
        places = {1: home / "xdg" / "gotorrent" / "config.yaml", 2: Path("config.yaml"), 3: home / "mine.yaml"}
        for number, place in places.items():
            place.write_text(f"client: {{peer_port: {number}}}", encoding="utf-8")
            read, source = config.load(str(place) if number == 3 else None)
            assert (read.client.peer_port, source) == (number, str(place))

    def test_a_named_file_must_exist_and_be_readable(self, home: Path) -> None:
        with pytest.raises(ConfigError, match=r"there is no configuration file nowhere\.yaml"):
            config.load("nowhere.yaml")
        with pytest.raises(ConfigError, match="cannot read the configuration"):
            config.load(str(home))

    @pytest.mark.parametrize(
        ("platform", "ending"),
        [
            ("linux", ".config/gotorrent"),
            ("darwin", "Library/Application Support/gotorrent"),
            ("win32", "Roaming/gotorrent"),
        ],
    )
    def test_the_folder_of_each_system(self, home: Path, monkeypatch: pytest.MonkeyPatch, platform: str, ending: str) -> None:
        monkeypatch.delenv("XDG_CONFIG_HOME")
        monkeypatch.delenv("APPDATA", raising=False)
        monkeypatch.setattr(sys, "platform", platform)
        assert config.user_config_folder().as_posix().endswith(ending)
        assert config.user_config_folder().is_relative_to(home / "home")
