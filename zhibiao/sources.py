"""Which files the input arguments of a program stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zhibiao.readers import PROSE_SUFFIXES, SUFFIXES

__all__ = [
    "KNOWN_SUFFIXES",
    "Lines",
    "Source",
    "find_sources",
    "is_listed",
    "printable",
]

KNOWN_SUFFIXES: tuple[str, ...] = (*SUFFIXES, ".jsonl")
"""Suffixes, in lower case, of the files that can be read."""

# Office programs lock an open document with a companion file of this prefix.
_TEMPORARY = "~$"


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines of a report JSONL, one after the other, with all that the lines before decide.

    ``start`` and ``end`` are byte offsets, ``first`` is the number of the first line, from 1.
    ``reports`` counts the lines that are not blank, ``digest`` tells whether they have changed.
    By line number, ``ids`` has the ids of reports whose own ids were taken, ``repeats`` the line
    of the file that used an id first.
    """

    start: int
    end: int
    first: int
    reports: int
    digest: str = ""
    ids: Mapping[int, str] = field(default_factory=dict)
    repeats: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, or standard input when ``path`` is None.

    ``id`` is the path below the common folder of all inputs, with ``/`` between its parts and
    with the suffix, so that it is unique and does not depend on the current folder.
    ``name`` is how the user would call the file; ``size`` is in bytes, 0 where unknown;
    ``modified`` is the time of its last change in nanoseconds, 0 where unknown. ``lines`` are
    those of a report JSONL that are meant; None means the whole file.
    """

    path: Path | None
    id: str
    name: str
    size: int
    modified: int = 0
    lines: Lines | None = None

    @property
    def holds_reports(self) -> bool:
        """Whether it is a report JSONL, with any number of reports, and not one document."""
        return self.path is not None and self.path.suffix.lower() == ".jsonl"


def find_sources(
    arguments: Sequence[str], *, outputs: Collection[Path] = (), folder: Path | None = None
) -> tuple[list[Source], list[str]]:
    """Expand files, folders (recursively), glob patterns and ``-`` into sources.

    Sources keep the order of the arguments; folders are walked in sorted order. A file reached
    twice is read once. In folders only the suffixes count that can be read, and those of other
    text documents (.doc, .wps), whose reading tells the remedy (:func:`is_listed`); hidden files,
    ``~$`` lock files and ``outputs`` (this run's own results, perhaps of an earlier run) are
    passed over. Ids are paths below ``folder``, by default below the folder that all files found
    have in common.

    Returns:
        The sources, and one line for each argument or folder that gave nothing.
    """
    search = _Search({os.path.realpath(path) for path in outputs})
    for argument in arguments:
        search.add(argument)
    base = _common_folder(search.roots) if folder is None else str(folder)
    return [_source(path, base) for path in search.found.values()], search.failures


def is_listed(name: str, beside: Collection[str]) -> bool:
    """Whether a folder gives the file ``name``; ``beside`` are the names in the same folder.

    Hidden files and lock files are passed over, and so are pictures and tables, which are no
    reports. A .doc and its like are given, so that a report that the reader refuses is named and
    not silently missing, unless it was saved as .docx (.pdf, .txt, ...) in the same place.
    """
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if name.startswith((".", _TEMPORARY)):
        return False
    if suffix in PROSE_SUFFIXES:
        return not any(path.stem + known in beside for known in SUFFIXES)
    return suffix in KNOWN_SUFFIXES


def printable(path: str | Path) -> str:
    """The path with ``/`` separators; bytes that are no characters become U+FFFD."""
    return os.fsencode(Path(path).as_posix()).decode("utf-8", "replace")


class _Search:
    def __init__(self, skipped: Collection[str]) -> None:
        self.skipped = skipped
        self.found: dict[str, Path | None] = {}
        self.roots: list[str] = []
        self.failures: list[str] = []

    def add(self, argument: str) -> None:
        if argument == "-":
            self.found.setdefault("-", None)
            return
        paths = _expand(argument)
        if not paths:
            reason = "没有匹配的文件" if glob.has_magic(argument) else "文件或文件夹不存在"
            self.failures.append(
                f"{printable(argument) if argument else '（空）'}：{reason}；请检查路径"
            )
        for path in paths:
            if os.path.isdir(path):
                self._add_folder(path)
            else:
                self._add_file(path, path.parent)

    def _add_file(self, path: Path, root: Path) -> None:
        self.roots.append(os.path.abspath(root))
        self.found.setdefault(os.path.realpath(path), path)

    def _add_folder(self, folder: Path) -> None:
        failures_before = len(self.failures)
        empty = True
        for path in self._walk(folder):
            self._add_file(path, folder)
            empty = False
        if empty and len(self.failures) == failures_before:
            known = " ".join(KNOWN_SUFFIXES)
            self.failures.append(
                f"{printable(folder)}：文件夹里没有可读的文件；可读的后缀：{known}"
            )

    def _walk(self, folder: Path) -> Iterator[Path]:
        def unreadable(error: OSError) -> None:
            name = printable(str(error.filename))
            self.failures.append(f"{name}：无法列出文件夹（{error.strerror}）；请检查权限")

        for parent, folders, names in os.walk(folder, onerror=unreadable):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and os.path.realpath(os.path.join(parent, name)) not in self.skipped
            )
            beside = frozenset(names)  # a folder may hold very many files
            for name in sorted(names):
                path = Path(parent, name)
                if (
                    is_listed(name, beside)
                    and path.is_file()
                    and os.path.realpath(path) not in self.skipped
                ):
                    yield path


def _expand(argument: str) -> list[Path]:
    # A file may really be called "[2016]总结.txt", so what exists is never a pattern.
    if os.path.lexists(argument):
        return [Path(argument)]
    if not glob.has_magic(argument):
        return []
    matches = (Path(match) for match in sorted(glob.glob(argument, recursive=True)))
    return [path for path in matches if not path.name.startswith(_TEMPORARY)]


def _common_folder(roots: Sequence[str]) -> str:
    try:
        return os.path.commonpath(roots) if roots else ""
    except ValueError:  # inputs on two Windows drives share no folder
        return ""


def _source(path: Path | None, base: str) -> Source:
    if path is None:
        return Source(None, "stdin", "-", 0)
    absolute = os.path.abspath(path)
    below = os.path.relpath(absolute, base) if base else absolute
    try:
        status = path.stat()
        size, modified = status.st_size, status.st_mtime_ns
    except OSError:  # a broken link, say; reading it gives the proper failure
        size = modified = 0
    return Source(path, printable(below), printable(path), size, modified)
