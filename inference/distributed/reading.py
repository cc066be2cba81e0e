"""Reading the pieces of a part, from wherever they are, into the texts that the extractor sees."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from inference.distributed.pieces import PARQUET, REPORTS, Piece
from inference.distributed.stores import is_uri, open_location
from zhibiao.errors import ReadError, ZhibiaoError
from zhibiao.inputs import Input, read_inputs
from zhibiao.journal import Journal, one_line
from zhibiao.sources import Source

__all__ = ["TABLE_ROWS", "Failures", "local_copy", "open_table", "read_piece"]

TABLE_ROWS = 1000
"""Rows of a Parquet file that are in memory at once."""
_CHUNK = 1 << 20


class Failures(Journal):
    """A journal that prints nothing and keeps ``entries``, (file or line, why) of each failure."""

    def __init__(self) -> None:
        super().__init__(0, quiet=True)
        self.entries: list[tuple[str, str]] = []

    def failure(self, line: str, size: int = 0, *, source: str = "") -> None:
        """Keep a failure for the manifest."""
        self.entries.append((source, one_line(line)))


def read_piece(piece: Piece, failures: Failures, *, keep_boilerplate: bool) -> Iterator[Input]:
    """Yield the reports of a piece as :func:`zhibiao.inputs.read_inputs` does.

    What cannot be read goes to ``failures``; nothing is raised for the sake of an input.
    """
    known = len(failures.entries)
    try:
        _check_unchanged(piece)
        with local_copy(piece) as path:
            lines = piece.lines
            if lines is not None and path != Path(piece.location):
                # The copy has these lines and no others.
                lines = replace(lines, start=0, end=sys.maxsize)
            source = Source(path, piece.id, piece.name, piece.size, lines=lines)
            yield from read_inputs([source], failures, keep_boilerplate=keep_boilerplate)
            # Nobody knows the copy by its name.
            failures.entries[known:] = [
                (about, line.replace(f"{piece.name}：{path}", piece.name))
                for about, line in failures.entries[known:]
            ]
    except (ZhibiaoError, OSError) as error:
        failures.failure(f"{piece.name}：{error}", source=piece.name)


@contextmanager
def local_copy(piece: Piece) -> Iterator[Path]:
    """A file on this machine that :func:`zhibiao.inputs.read_inputs` can read.

    It is the file itself where that is on a disk; else a copy, of the piece's lines alone where
    it has any. Rows of Parquet become lines of report JSONL.

    Raises:
        ReadError: the file cannot be opened, or is no Parquet file with columns id and text.
        OSError: it cannot be read.
    """
    if piece.suffix != PARQUET and not is_uri(piece.location):
        yield Path(piece.location)
        return
    with tempfile.TemporaryDirectory(prefix="zhibiao-") as folder:
        path = Path(folder, PurePosixPath(piece.location).name)
        if piece.suffix == PARQUET:
            path = path.with_suffix(REPORTS)
            _copy_rows(piece, path)
        else:
            _download(piece, path)
        yield path


@contextmanager
def open_table(piece: Piece) -> Iterator[Any]:
    """The open ``pyarrow.parquet.ParquetFile`` of a piece.

    Raises:
        ReadError: it is none, or has no columns id and text of texts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, path = open_location(piece.location)
    with filesystem.open_input_file(path) as stream:
        try:
            # Read-ahead holds what was read until the end of the file.
            table = pq.ParquetFile(stream, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise ReadError(f"{piece.name}：不是完整的 Parquet 文件；请重新生成") from error
        for name in ("id", "text"):
            found = table.schema_arrow.get_field_index(name)
            kind = table.schema_arrow.field(found).type if found >= 0 else None
            if kind not in (pa.string(), pa.large_string()):
                raise ReadError(f"{piece.name}：需要文本列 {name}；请改列名或类型")
        yield table


def _check_unchanged(piece: Piece) -> None:
    filesystem, path = open_location(piece.location)
    (info,) = filesystem.get_file_info([path])
    # A file that is gone gives the proper failure when it is read.
    if info.is_file and (info.size, info.mtime_ns or 0) != (piece.size, piece.modified):
        raise ReadError("开始运行以后文件变了；请换一个输出文件夹重新运行")


def _copy_rows(piece: Piece, path: Path) -> None:
    rows = piece.lines
    with open_table(piece) as table, path.open("w", encoding="utf-8") as target:
        if rows is None:
            return
        groups: list[int] = []
        first = start = 0
        for group in range(table.num_row_groups):
            end = start + table.metadata.row_group(group).num_rows
            if end > rows.start and start < rows.end:
                first = first if groups else start
                groups.append(group)
            start = end
        number = first
        for batch in table.iter_batches(TABLE_ROWS, row_groups=groups, columns=["id", "text"]):
            wanted = slice(max(rows.start - number, 0), max(rows.end - number, 0))
            for row in batch.to_pylist()[wanted]:
                target.write(json.dumps(row, ensure_ascii=False) + "\n")
            number += batch.num_rows


def _download(piece: Piece, path: Path) -> None:
    filesystem, remote = open_location(piece.location)
    start = piece.lines.start if piece.lines else 0
    left = piece.lines.end - start if piece.lines else piece.size
    with filesystem.open_input_file(remote) as stream, path.open("wb") as target:
        stream.seek(start)
        while left > 0 and (chunk := stream.read(min(left, _CHUNK))):
            target.write(chunk)
            left -= len(chunk)
