from __future__ import annotations

import os
import stat

import pytest

from gotorrent.errors import ConfigError, UsageError, WriteError
from gotorrent.tracker import access
from gotorrent.tracker.access import Access, add_key, key_digest, read_hashes, read_keys, revoke_key

GOOD, BAD = b"\x11" * 20, b"\xee" * 20
GOOD_LINE, BAD_LINE = GOOD.hex(), BAD.hex().upper()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.txt"


def change(path, text):
    """Write, and let the time of change differ even when the clock of the file system is coarse."""
    path.write_text(text)
    os.utime(path, ns=(0, change.count))
    change.count += 1


change.count = 1


class TestLists:
    def test_hashes_comments_and_blank_lines(self, path):
        path.write_bytes(b"\xef\xbb\xbf# ours\r\n\r\n  " + GOOD_LINE.encode() + b"  # the film \xff\n" + BAD_LINE.encode())
        assert read_hashes(path) == {GOOD, BAD}

    @pytest.mark.parametrize(
        "line",
        [
            "1" * 39,
            "1" * 41,
            "g" * 40,
            "1" * 38 + " 1",
            "1" * 19 + "\t\t" + "1" * 19,
            "+" + "1" * 39,
            "<script>",
            "é" * 20,
            "١" * 40,
            "magnet:?xt=1",
        ],
    )
    def test_a_broken_line_is_named(self, path, line):
        path.write_text(f"{GOOD_LINE}\n\n{line}\n{BAD_LINE}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"list.txt line 3: .*is no info-hash"):
            read_hashes(path)

    def test_a_missing_and_a_giant_file(self, path, monkeypatch):
        with pytest.raises(ConfigError, match="cannot read"):
            read_hashes(path)
        path.write_text(f"{GOOD_LINE}\n")
        monkeypatch.setattr(access, "MAX_FILE", 41)
        assert read_hashes(path) == {GOOD}
        monkeypatch.setattr(access, "MAX_FILE", 40)
        with pytest.raises(ConfigError, match="longer"):
            read_hashes(path)

    def test_allow_and_deny(self, path, tmp_path):
        other = tmp_path / "deny.txt"
        path.write_text(f"{GOOD_LINE}\n{BAD_LINE}\n")
        other.write_text(f"{BAD_LINE}\n")
        both = Access(str(path), str(other), "")
        assert both.refusal_of_torrent(GOOD) is None
        assert "excluded" in both.refusal_of_torrent(BAD)
        assert "only torrents on its list" in both.refusal_of_torrent(b"\x22" * 20)
        assert Access("", str(other), "").refusal_of_torrent(GOOD) is None
        assert Access("", "", "").refusal_of_torrent(BAD) is None

    def test_a_tracker_does_not_start_without_its_rules(self, path):
        with pytest.raises(ConfigError):
            Access(str(path), "", "")
        path.write_text("nonsense")
        for files in [(str(path), "", ""), ("", str(path), ""), ("", "", str(path))]:
            with pytest.raises(ConfigError, match="line 1"):
                Access(*files)


class TestReload:
    def test_a_change_is_seen_and_nothing_is_read_without_one(self, path):
        change(path, GOOD_LINE)
        rules = Access(str(path), "", "")
        assert rules.refresh() == ([], [])
        change(path, f"{GOOD_LINE}\n{BAD_LINE}")
        assert rules.refresh() == ([f"read {path}: 2 entries"], [])
        assert rules.refusal_of_torrent(BAD) is None
        assert rules.refresh() == ([], [])

    def test_forced(self, path):
        change(path, GOOD_LINE)
        assert Access(str(path), "", "").refresh(force=True) == ([f"read {path}: 1 entries"], [])

    def test_a_broken_file_is_said_once_and_the_old_list_stays(self, path):
        change(path, GOOD_LINE)
        rules = Access(str(path), "", "")
        change(path, f"{BAD_LINE}\nnonsense")
        _, (said,) = rules.refresh()
        assert "line 2" in said and said.endswith("what was read before stays in force")
        assert rules.refresh() == ([], [])
        assert (rules.refusal_of_torrent(GOOD), bool(rules.refusal_of_torrent(BAD))) == (None, True)
        change(path, BAD_LINE)
        rules.refresh()
        assert (bool(rules.refusal_of_torrent(GOOD)), rules.refusal_of_torrent(BAD)) == (True, None)

    def test_a_file_that_is_gone_changes_nothing(self, path):
        change(path, GOOD_LINE)
        rules = Access(str(path), "", "")
        path.unlink()
        assert "cannot read" in rules.refresh()[1][0]
        assert rules.refresh() == ([], [])
        assert rules.refusal_of_torrent(BAD)


class TestKeys:
    def test_made_used_and_revoked(self, path):
        key = add_key(path, "Ada Lovelace", "2026-11-23")
        other = add_key(path, "Boole", "2026-11-24")
        assert len(key) == 32 and key != other
        rules = Access("", "", str(path))
        assert not rules.open
        assert rules.refusal_of_key(key.encode()) is None
        assert revoke_key(path, key).name == "Ada Lovelace"
        assert len(rules.refresh()[0]) == 1
        assert "does not know your key" in rules.refusal_of_key(key.encode())
        assert rules.refusal_of_key(other.encode()) is None
        assert revoke_key(path, "Boole").made == "2026-11-24"
        assert read_keys(path) == {}

    @pytest.mark.parametrize("key", [b"", b"x", b"0" * 32, b"\xff", b"../../etc/passwd", b"a" * 8000])
    def test_other_keys_are_refused_without_being_repeated(self, path, key):
        add_key(path, "Ada", "2026-11-23")
        reason = Access("", "", str(path)).refusal_of_key(key)
        assert "key" in reason
        assert len(key) < 2 or key not in reason.encode()

    def test_the_digest_is_no_key(self, path):
        key = add_key(path, "Ada", "2026-11-23")
        assert Access("", "", str(path)).refusal_of_key(key_digest(key.encode()).encode())

    def test_an_open_tracker_ignores_keys(self):
        rules = Access("", "", "")
        assert rules.open
        assert rules.refusal_of_key(b"") is rules.refusal_of_key(b"anything") is None

    def test_the_file_is_for_its_owner_and_holds_no_key(self, path):
        key = add_key(path, "Ada", "2026-11-23")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        assert key not in text and key_digest(key.encode()) in text and "Ada" in text
        path.chmod(0o644)
        add_key(path, "Boole", "2026-11-23")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("name", ["", " ", " a", "a\nb", "a\x1b[0m", "n" * 65])
    def test_names_that_would_break_the_file(self, path, name):
        with pytest.raises(UsageError, match="a name for a passkey"):
            add_key(path, name, "2026-11-23")
        assert not path.exists()

    def test_a_name_is_given_once(self, path):
        add_key(path, "n" * 64, "2026-11-23")
        with pytest.raises(UsageError, match="has a passkey already"):
            add_key(path, "n" * 64, "2026-11-23")

    def test_who_is_not_there_cannot_be_revoked(self, path):
        add_key(path, "Ada", "2026-11-23")
        with pytest.raises(UsageError, match="no such passkey") as caught:
            revoke_key(path, "0123456789abcdef")
        assert "0123456789abcdef" not in str(caught.value)

    @pytest.mark.parametrize(
        "line", ["x", "a" * 64, "a" * 64 + " 2026-11-23", "a" * 63 + " 2026-11-23 Ada", "A" * 64 + " 2026-11-23 Ada", "\udcff"]
    )
    def test_a_broken_line_is_named_and_nothing_is_overwritten(self, path, line):
        path.write_bytes(b"# keys\n" + line.encode(errors="surrogateescape") + b"\n")
        before = path.read_bytes()
        with pytest.raises(ConfigError, match="line 2"):
            add_key(path, "Boole", "2026-11-23")
        assert path.read_bytes() == before

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(WriteError, match="cannot write"):
            add_key(tmp_path / "file" / "keys", "Ada", "2026-11-23")
