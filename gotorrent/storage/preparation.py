"""Before the first byte moves: what of a torrent is on disk already, and may we write there? No BEP rules it.

Remembered pieces are believed when the last stop was clean and their files have not changed; everything else that lies on disk
is hashed. The manifest is saved before anything is created. Seeding complete content writes nothing beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container

from gotorrent.errors import WriteError
from gotorrent.metainfo.metainfo import Metainfo
from gotorrent.storage.check import FileStat, check_pieces, complete_pieces, inspect, judge
from gotorrent.storage.files import Content
from gotorrent.storage.resume import ResumeFile, ResumeState
from gotorrent.wire.bitfield import Bitfield


class Preparation:
    """The state of one torrent on disk, at the start of a run and at its end."""

    def __init__(self, metainfo: Metainfo, content: Content, resume: ResumeFile, *, force: bool) -> None:
        """`force`: write even into files that match the torrent nowhere, and shorten those that are too long."""
        self._metainfo = metainfo
        self._content = content
        self._resume = resume
        self._force = force
        self._made: set[int] | None = None  # known once `run` has decided

    def run(self, stop: threading.Event, progress: Callable[[float], None]) -> Bitfield:
        """The verified pieces. ReadError, WriteError when the torrent must not go on. Worthless when `stop` was set meanwhile.

        `progress` is told the fraction of the hashing that is done, from several threads.
        """
        layout = self._metainfo.layout
        remembered = self._resume.load()
        found = inspect(self._content)
        have, doubtful = self._trusted(remembered, found)
        todo = [piece for piece in complete_pieces(layout, found) if piece in doubtful]
        total, done, lock = sum(map(layout.piece_size, todo)), 0, threading.Lock()

        def hashed(count: int) -> None:
            nonlocal done
            with lock:
                done += count
            progress(done / total)

        for piece in check_pieces(self._metainfo, self._content, todo, hashed, stop):
            have.add(piece)
        if stop.is_set():
            return have
        made = remembered.made if remembered else set()
        if not self._force:
            judge(self._metainfo, self._content, found, have, made)
        self._content.register(have)
        self._content.absent = {file.path for file, stat in zip(layout.files, found, strict=True) if stat is None}
        if self._force:
            self._content.cut_to_size()
        self._made = made | {index for index, stat in enumerate(found) if stat is None or not stat.size}
        if not have.complete:
            self.save(have, clean=False)
        try:
            self._content.create_empty_files()
        except WriteError:
            if not have.complete:
                raise
        return have

    def save(self, have: Bitfield, *, clean: bool, up: int = 0, down: int = 0) -> None:
        """Remember `have` and the manifest; `clean` when nothing is being written any more. WriteError."""
        if self._made is None:
            return
        made = self._made
        if clean:  # what was never made is not ours, should it be there next time
            made = {index for index in made if self._metainfo.layout.files[index].path not in self._content.absent}
        self._resume.save(ResumeState(have, inspect(self._content), made, clean, up, down))

    def _trusted(self, remembered: ResumeState | None, found: list[FileStat | None]) -> tuple[Bitfield, Container[int]]:
        """The pieces to believe in without a look, and those that must be looked at; what is in neither is known to be missing."""
        layout = self._metainfo.layout
        have = Bitfield(layout.piece_count)
        if remembered is None or not remembered.clean:
            return have, range(layout.piece_count)
        changed: set[int] = set()
        for index, (before, now) in enumerate(zip(remembered.files, found, strict=True)):
            if before != now:
                changed.update(layout.pieces_of(index))
        for piece in remembered.have:
            if piece not in changed:
                have.add(piece)
        return have, changed
