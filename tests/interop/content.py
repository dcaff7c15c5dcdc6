"""Things to share, and the comparison of a copy with its original, byte for byte. No BEP rules this module."""

from __future__ import annotations

import random
from pathlib import Path


def make_file(path: Path, size: int) -> Path:
    """A file of `size` bytes that are different in every piece and the same in every run."""
    path.write_bytes(random.Random(f"{path.name} {size}").randbytes(size))
    return path


def make_folder(path: Path) -> Path:
    """A folder with sub-folders, unicode names, an empty file, and files that begin and end inside pieces (3.4 MB)."""
    sizes = {
        "read me.txt": 11,
        "empty": 0,
        "Übung/números 1.bin": 1_000_003,
        "Übung/日本語/音.bin": 65_536,
        "Übung/日本語/leer.txt": 0,
        "музыка/🎵 50%+&#.bin": 2_300_001,
        "музыка/one": 1,
    }
    for name, size in sizes.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        make_file(file, size)
    return path


def difference(original: Path, copy: Path, *, empty_files: bool = True) -> str:
    """What keeps `copy` from being the same as `original`, as a sentence; "" when they are equal byte for byte.

    Without `empty_files` an empty file may be missing: Transmission 3.00 makes none.
    """
    if original.is_file():
        if not copy.is_file():
            return f"{copy} is missing"
        return "" if original.read_bytes() == copy.read_bytes() else f"{copy} differs"
    wanted = {path.relative_to(original) for path in original.rglob("*") if path.is_file()}
    if not empty_files:
        wanted = {name for name in wanted if (original / name).stat().st_size or (copy / name).exists()}
    found = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    if found != wanted:
        return f"files of {copy}: {sorted(map(str, found))}, not {sorted(map(str, wanted))}"
    return "; ".join(filter(None, (difference(original / name, copy / name) for name in sorted(wanted))))
