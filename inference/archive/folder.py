"""Where everything stands in the output folder of an archive, and who may write there."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from inference.outputs import targets_in
from zhibiao.errors import OutputError

__all__ = ["STATUS", "ArchiveFolder"]

STATUS = "status.jsonl"
"""In each part: what it was made of, then one line a report or failure."""


class ArchiveFolder:
    """The output folder ``root`` of an archive.

    ``plan.jsonl`` says which reports make which part; ``parts/00001`` and so on are there whole
    or not at all; ``manifest.csv`` and ``index.html`` are made from them. Work in progress stands
    in ``.work``, under names that no other run takes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plan = root / "plan.jsonl"
        self.parts = root / "parts"
        self.manifest = root / "manifest.csv"
        self.index = root / "index.html"
        self._lock = root / ".lock"
        self._work = root / ".work"
        self._token = secrets.token_hex(4)

    @property
    def own(self) -> set[Path]:
        """All that must never be taken for input."""
        return {self.plan, self.parts, self.manifest, self.index, *targets_in(self.root)}

    def part(self, number: int) -> Path:
        """The folder of a part that is done."""
        return self.parts / f"{number:05d}"

    def work(self, number: int) -> Path:
        """The folder in which a part is made."""
        return self._work / f"{number:05d}.{self._token}"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep other runs out, and remove what an earlier one left unfinished.

        Raises:
            OutputError: another run writes here, or the folder holds something else.
        """
        lock = FileLock(self._lock, blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"{self.root}：另一个程序正在往这里写；请等它结束，或换一个输出文件夹"
            ) from error
        try:
            self._check()
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir()
            self.parts.mkdir(exist_ok=True)
            yield
        finally:
            shutil.rmtree(self._work, ignore_errors=True)
            lock.release()

    def _check(self) -> None:
        if self.plan.is_file():
            return
        for path in (self.plan, self.parts, self.manifest, self.index):
            if path.exists() and not (path is self.parts and not any(path.iterdir())):
                raise OutputError(
                    f"{path}：已经存在，且不属于大批量结果；请移走它或换一个输出文件夹"
                )

    def commit(self, number: int) -> None:
        """Let a part that was made take its place, and that of an older one."""
        made, place = self.work(number), self.part(number)
        old = made.with_suffix(".old")
        if place.exists():
            place.rename(old)
        made.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def digest(self, number: int) -> str | None:
        """What the part was made of, as :attr:`Part.digest` says it; None when it is not there."""
        try:
            with (self.part(number) / STATUS).open(encoding="utf-8") as stream:
                return str(json.loads(stream.readline())["digest"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, OSError):
            return ""  # damaged: nothing was ever made of nothing, so it is made again
