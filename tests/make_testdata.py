"""Makes everything in testdata/ again: `python -m tests.make_testdata` from the top folder.

Needs libtorrent (Python package), mktorrent and transmission-create. Content and torrents of ours come out the same to the byte;
other tools' torrents may change with their version. `tests/metainfo/test_testdata.py` holds what is committed against this file.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

from gotorrent.metainfo.bencode import decode, encode
from gotorrent.metainfo.create import CreateOptions, create

TESTDATA = Path(__file__).parent.parent / "testdata"
TRACKER = "http://localhost:8080/announce"


def noise(seed: str, size: int) -> bytes:
    """Bytes that do not compress, the same on every machine."""
    return random.Random(seed).randbytes(size)


CONTENT: dict[str, bytes] = {
    "single.bin": noise("single", 100_000),
    "exact.bin": noise("exact", 4 * 16384),
    "short.bin": noise("short", 2 * 16384 + 1),
    "private.bin": noise("private", 40_000),
    "folder/readme.txt": b"A folder with sub-folders and an empty file.\n",
    "folder/empty.txt": b"",
    "folder/pictures/one.bin": noise("one", 30_000),
    "folder/pictures/raw/two.bin": noise("two", 20_000),
    "folder/zero.bin": bytes(5_000),
    "unicode/Grüße aus Köln.txt": "Grüße\n".encode(),
    "unicode/日本語/ファイル.bin": noise("japanese", 18_000),
    "unicode/Привет.txt": "Привет\n".encode(),
    "unicode/party 🎉.txt": b"party\n",
    "unicode/O'Brien & co; $HOME.txt": b"a name that shells and pages must quote\n",
    **{f"tiny/{number:03}.txt": b"file %d\n" % number * (number % 7) for number in range(150)},
}


def _ours(name: str, **options: Any) -> bytes:
    settings: dict[str, Any] = {"trackers": ((TRACKER,),), "piece_size": 16384, **options}
    return create(TESTDATA / name, CreateOptions(**settings)).data


def unsorted_torrent() -> bytes:
    """single.bin, with the keys of every dictionary in the wrong order."""
    document = _decoded("single.bin")
    info = document[b"info"]
    body = b"".join(encode(key) + encode(info[key]) for key in sorted(info, reverse=True))
    return b"d4:infod" + body + b"e8:announce" + encode(TRACKER) + b"e\r\n"


def pad_torrent() -> bytes:
    """folder/ with a pad file (BEP 47) after each file, as other tools lay it out."""
    document = _decoded("folder")
    files, stream = [], b""
    for entry in document[b"info"][b"files"]:
        files.append(entry)
        stream += CONTENT["folder/" + "/".join(part.decode() for part in entry[b"path"])]
        gap = -len(stream) % 16384
        if gap:
            files.append({b"attr": b"p", b"length": gap, b"path": [b".pad", str(gap).encode()]})
            stream += bytes(gap)
    document[b"info"] |= {b"files": files, b"pieces": _pieces(stream)}
    return encode(document)


def utf8_keys_torrent() -> bytes:
    """unicode/ as old Chinese clients wrote it: names in GBK, and again in name.utf-8 and path.utf-8."""
    document = _decoded("unicode")
    info = document[b"info"]
    for entry in info[b"files"]:
        entry[b"path.utf-8"] = entry[b"path"]
        entry[b"path"] = [part.decode().encode("gbk", "replace") for part in entry[b"path"]]
    info[b"name.utf-8"] = info[b"name"]
    return encode(document | {b"encoding": b"GBK"})


def _decoded(name: str) -> dict[bytes, Any]:
    document: dict[bytes, Any] = decode(_ours(name))
    return document


def _pieces(stream: bytes) -> bytes:
    return b"".join(hashlib.sha1(stream[at : at + 16384]).digest() for at in range(0, len(stream), 16384))


OURS = {
    "single.torrent": lambda: _ours("single.bin"),
    "tiny.torrent": lambda: _ours("tiny"),
    "unicode.torrent": lambda: _ours("unicode"),
    "private.torrent": lambda: _ours(
        "private.bin",
        private=True,
        comment="a private torrent with two tiers",
        source="GoTorrent",
        trackers=((TRACKER, "udp://localhost:8080"), ("http://localhost:8081/announce",)),
        web_seeds=("http://localhost:8000/",),
        date=1_600_000_000,
    ),
    "unsorted.torrent": unsorted_torrent,
    "padded.torrent": pad_torrent,
    "utf8-keys.torrent": utf8_keys_torrent,
}
"""Torrents that this project made: each is made again by a test and must come out the same."""


def make_by_others() -> None:
    """Torrents that other people's tools made of the same content."""
    (TESTDATA / "folder-libtorrent.torrent").write_bytes(by_libtorrent(TESTDATA / "folder"))
    (TESTDATA / "folder-hybrid-libtorrent.torrent").write_bytes(by_libtorrent(TESTDATA / "folder", hybrid=True))
    (TESTDATA / "unicode-libtorrent.torrent").write_bytes(by_libtorrent(TESTDATA / "unicode"))
    by_mktorrent(TESTDATA / "exact.bin", TESTDATA / "exact-mktorrent.torrent")
    by_mktorrent(TESTDATA / "tiny", TESTDATA / "tiny-mktorrent.torrent")
    for source, name in (("short.bin", "short-transmission.torrent"), ("folder", "folder-transmission.torrent")):
        command = ["transmission-create", "-s", "16", "-t", TRACKER, "-o", str(TESTDATA / name), str(TESTDATA / source)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def by_libtorrent(source: Path, *, hybrid: bool = False, piece_size: int = 16384) -> bytes:
    """A torrent of `source` by libtorrent, of version 1 or of both versions."""
    import libtorrent  # only here: the tests that need it say so

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 2.1 prefers functions that 2.0 lacks
        storage = libtorrent.file_storage()
        libtorrent.add_files(storage, str(source))
        maker = libtorrent.create_torrent(storage, piece_size, flags=0 if hybrid else libtorrent.create_torrent.v1_only)
        maker.add_tracker(TRACKER)
        libtorrent.set_piece_hashes(maker, str(source.parent))
        data: bytes = libtorrent.bencode(maker.generate())
    return data


def by_mktorrent(source: Path, target: Path) -> None:
    """A torrent of `source` by mktorrent, in pieces of 32 KiB, the smallest it makes."""
    target.unlink(missing_ok=True)
    command = ["mktorrent", "-l", "15", "-d", "-a", TRACKER, "-o", str(target), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def torrent(info: dict[str, Any], **top: Any) -> bytes:
    """A torrent of 20 000 bytes in two pieces of 16 KiB, with `info` on top; a value of None leaves the key out."""
    base: dict[str, Any] = {"name": "sample", "piece length": 16384, "pieces": b"p" * 40}
    if "files" not in info and "length" not in info:
        base["length"] = 20_000
    whole = {key: value for key, value in (base | info).items() if value is not None}
    return encode({"announce": TRACKER, "info": whole} | top)


def _files(*paths: tuple[str, ...]) -> dict[str, Any]:
    """Files of 10 000 bytes in two pieces, for as many as there are."""
    total = 10_000 * len(paths)
    entries = [{"length": 10_000, "path": list(path)} for path in paths]
    return {"files": entries, "pieces": b"p" * 20 * -(-total // 16384)}


REFUSED: dict[str, tuple[bytes, str]] = {
    "path-climbs": (torrent(_files(("..", "..", "evil"), ("b",))), "leads out of the download folder"),
    "path-climbs-hidden": (torrent(_files((".\u202e.", "evil"), ("b",))), "leads out of the download folder"),
    "name-climbs": (torrent({"name": ".."}), "leads out of the download folder"),
    "name-empty": (torrent({"name": ""}), "no name"),
    "name-missing": (torrent({"name": None}), "does not say its name"),
    "path-empty": (torrent(_files((), ("b",))), "no name"),
    "path-deep": (torrent(_files(("d",) * 101, ("b",))), "101 folders deep"),
    "duplicate-paths": (torrent(_files(("a", "b"), ("a", "b"))), "two files"),
    "duplicate-paths-case": (torrent(_files(("Read", "ME"), ("read", "me"))), "two files"),
    "duplicate-paths-unicode": (torrent(_files(("é",), ("e\u0301",))), "two files"),
    "file-and-folder": (torrent(_files(("a",), ("A", "b"))), "both a file and a folder"),
    "piece-length-zero": (torrent({"piece length": 0}), "piece length"),
    "piece-length-negative": (torrent({"piece length": -16384}), "piece length"),
    "piece-length-huge": (torrent({"piece length": 2**62}), "piece length"),
    "piece-length-missing": (torrent({"piece length": None}), "piece length"),
    "size-negative": (torrent({"length": -1}), "length must be a number"),
    "size-huge": (torrent({"length": 10**19}), "pieces; we accept"),
    "size-text": (torrent({"length": "1000"}), "length must be a number"),
    "pieces-cut": (torrent({"pieces": b"p" * 39}), "multiple of 20"),
    "pieces-missing": (torrent({"pieces": None}), "multiple of 20"),
    "pieces-too-few": (torrent({"pieces": b"p" * 20}), "2 pieces, but the torrent has 1"),
    "no-files": (torrent({"files": []}), "list of files is empty"),
    "no-data": (torrent({"length": 0, "pieces": b""}), "holds no data"),
    "length-and-files": (torrent({"length": 20_000} | _files(("a",), ("b",))), "both or neither"),
    "neither-length-nor-files": (torrent({"length": None}), "both or neither"),
    "files-not-dictionaries": (torrent({"files": [1, 2]}), "not a dictionary"),
    "no-info": (encode({"announce": TRACKER}), "no 'info'"),
    "info-not-dictionary": (encode({"info": [1]}), "no 'info'"),
    "info-twice": (torrent({})[:-1] + torrent({"name": "other"})[1:], "comes twice"),
    "version-2-only": (encode({"info": {"file tree": {}, "meta version": 2, "name": "v2", "piece length": 16384}}), "version 2"),
    "depth-bomb": (b"d4:info" + b"l" * 10_000 + b"e" * 10_000 + b"e", "more than 100"),
    "huge-integer": (b"d4:infod6:lengthi" + b"9" * 5_000 + b"eee", "canonical integer"),
    "huge-string": (b"d4:info99999999999999999999:e", "after the end"),
    "ten-bytes": (b"d1:ai1e-6:", "canonical length"),
    "integer-minus-zero": (torrent({}).replace(b"i20000e", b"i-0e"), "canonical integer"),
    "integer-leading-zero": (torrent({}).replace(b"i20000e", b"i020000e"), "canonical integer"),
    "truncated": (torrent({})[:-30], "not a torrent, or a damaged one"),
    "trailing-bytes": (torrent({}) + b"extra", "5 bytes follow"),
    "empty": (b"", "empty"),
    "web-page": (b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
    "magnet-link": (b"magnet:?xt=urn:btih:" + b"a" * 40 + b"\n", "magnet link"),
}
"""Files in testdata/hostile that must be refused, and a part of the sentence."""

NEUTRALISED: dict[str, tuple[bytes, list[str]]] = {
    "name-absolute": (torrent({"name": "/etc/passwd"}), ["_etc_passwd"]),
    "name-separator": (torrent({"name": "..\\..\\evil"}), [".._.._evil"]),
    "path-absolute": (torrent(_files(("/etc/passwd",), ("/", "b"))), ["sample/_etc_passwd", "sample/_/b"]),
    "path-separator": (torrent(_files(("../../evil",), ("a\\b",))), ["sample/.._.._evil", "sample/a_b"]),
    "path-control": (torrent(_files(("a\x00b\x1b[31m\n",), ("b",))), ["sample/a_b_[31m_", "sample/b"]),
    "path-bidi": (torrent(_files(("invoice\u202efdp.exe",), ("b",))), ["sample/invoicefdp.exe", "sample/b"]),
    "path-dots": (torrent(_files((".", "", "a"), ("b",))), ["sample/a", "sample/b"]),
    "path-long": (torrent(_files(("x" * 5_000 + ".txt",), ("b",))), ["sample/" + "x" * 251 + ".txt", "sample/b"]),
    "path-not-utf8": (
        encode(
            {"info": {"files": [{"length": 9, "path": [b"a\xff.txt"]}], "name": "sample", "piece length": 1, "pieces": b"p" * 180}}
        ),
        ["sample/a_.txt"],
    ),
}
"""Files in testdata/hostile that are read, and the safe paths they must become."""


def main() -> None:
    """Write testdata/, apart from its README."""
    for old in TESTDATA.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        elif old.name != "README.md":
            old.unlink()
    for name, data in CONTENT.items():
        path = TESTDATA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, make in OURS.items():
        (TESTDATA / name).write_bytes(make())
    make_by_others()
    hostile = TESTDATA / "hostile"
    hostile.mkdir()
    for name, (data, _) in (REFUSED | NEUTRALISED).items():
        (hostile / f"{name}.torrent").write_bytes(data)


if __name__ == "__main__":
    main()
