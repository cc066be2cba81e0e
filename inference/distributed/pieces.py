"""Pieces of the input: whole documents, and some reports each of report JSONL and Parquet."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from inference.distributed.stores import is_uri, open_location
from zhibiao.errors import ReadError
from zhibiao.sources import Lines, find_sources, is_listed

__all__ = ["PARQUET", "REPORTS", "Piece", "find_pieces"]

PARQUET = ".parquet"
REPORTS = ".jsonl"


@dataclass(frozen=True, slots=True)
class Piece:
    """A document, or ``lines`` of a report JSONL or Parquet file, with what its reports are called.

    ``location`` is an absolute path or a URI. ``id``, ``name``, ``size`` and ``modified`` mean
    what they mean for :class:`zhibiao.sources.Source`. In Parquet a line is a row, and the
    offsets of ``lines`` count rows from 0.
    """

    location: str
    id: str
    name: str
    size: int
    modified: int
    lines: Lines | None = None

    @property
    def suffix(self) -> str:
        """The suffix in lower case."""
        return PurePosixPath(self.location).suffix.lower()

    @property
    def reports(self) -> int:
        """How many reports it holds, broken ones too."""
        return 1 if self.lines is None else self.lines.reports

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Piece:
        """The piece that :meth:`to_dict` turned into a JSON object."""
        lines = data["lines"]
        if lines is not None:
            # JSON has no numbers as keys.
            by_line = {
                name: {int(number): value for number, value in lines[name].items()}
                for name in ("ids", "repeats")
            }
            lines = Lines(**{**lines, **by_line})
        return cls(**{**data, "lines": lines})

    def to_dict(self) -> dict[str, Any]:
        """The piece as a JSON object."""
        return asdict(self)


def find_pieces(arguments: Sequence[str], output: str) -> tuple[list[Piece], list[str]]:
    """Expand paths or URIs into files, not yet cut, as ``predict.py`` does; also finds Parquet.

    Returns:
        The files, in order, and one line for each argument that gave nothing.

    Raises:
        ReadError: paths and URIs are mixed, standard input is asked for, a URI cannot be opened.
    """
    if "-" in arguments:
        raise ReadError("-：标准输入不能分给多台机器；请先存成文件")
    if len({is_uri(argument) for argument in arguments}) > 1:
        raise ReadError("本地路径和网络地址不能混在一次运行里；请分开运行")
    if is_uri(arguments[0]):
        return _find_remote(arguments)
    outputs = [] if is_uri(output) else [Path(output)]
    wanted: list[str] = []
    for argument in arguments:
        tables = _tables_below(argument)
        # A folder with nothing but Parquet files is no folder without anything to read.
        if not tables or find_sources([argument], outputs=outputs)[0]:
            wanted.append(argument)
        wanted += tables
    sources, unmatched = find_sources(wanted, outputs=outputs)
    return [
        Piece(os.path.abspath(str(s.path)), s.id, s.name, s.size, s.modified) for s in sources
    ], unmatched


def _tables_below(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    pattern = os.path.join(glob.escape(folder), "**", f"*{PARQUET}")
    return sorted(glob.glob(pattern, recursive=True))


def _find_remote(arguments: Sequence[str]) -> tuple[list[Piece], list[str]]:
    import pyarrow.fs

    found: dict[str, Any] = {}
    roots, unmatched = [], []
    for argument in arguments:
        scheme = argument.partition("://")[0]
        filesystem, path = open_location(argument)
        (info,) = filesystem.get_file_info([path])
        files = [info]
        if info.type == pyarrow.fs.FileType.Directory:
            selector = pyarrow.fs.FileSelector(path, recursive=True)
            files = _wanted(filesystem.get_file_info(selector), path)
            roots.append(path.rstrip("/"))
        else:
            roots.append(os.path.dirname(path))
        files = [one for one in files if one.type != pyarrow.fs.FileType.NotFound]
        if not files:
            unmatched.append(f"{argument}：没有可读的文件；请检查地址")
        found |= {f"{scheme}://{one.path}": one for one in files}
    base = os.path.commonpath(roots)
    return [
        Piece(
            location,
            os.path.relpath(one.path, base),
            location,
            one.size or 0,
            one.mtime_ns or 0,
        )
        for location, one in found.items()
    ], unmatched


def _wanted(infos: Iterable[Any], folder: str) -> list[Any]:
    """Those files below a folder that are to be read, in order, as of a folder on a disk."""
    files = {PurePosixPath(one.path): one for one in infos if one.is_file}
    beside: dict[PurePosixPath, set[str]] = defaultdict(set)
    for path in files:
        beside[path.parent].add(path.name)

    def is_wanted(path: PurePosixPath) -> bool:
        if any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts):
            return False
        return path.suffix.lower() == PARQUET or is_listed(path.name, beside[path.parent])

    return [files[path] for path in sorted(files, key=str) if is_wanted(path)]
