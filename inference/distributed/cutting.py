"""Cutting the input into parts: the same parts for the same input, every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path

from inference.distributed.pieces import PARQUET, REPORTS, Piece
from inference.distributed.reading import TABLE_ROWS, local_copy, open_table
from zhibiao.errors import ZhibiaoError
from zhibiao.inputs import free_id, report_lines
from zhibiao.sources import Lines, Source

__all__ = ["PART_BYTES", "cut_parts"]

PART_BYTES = 64_000_000
"""Bytes of source files that a part may have; a larger report is a part of its own."""


def cut_parts(files: Iterable[Piece], reports: int) -> Iterator[list[Piece]]:
    """Yield parts of at most ``reports`` reports each, in order, ids settled.

    Every id is what ``predict.py`` would give over the same files. Ids are held in memory, about
    200 bytes a report.
    """
    taken: dict[str, str] = {}
    part: list[Piece] = []
    count = size = 0
    for file in files:
        for piece in _reports_of(file, taken):
            more = piece.size if piece.lines is None else piece.lines.end - piece.lines.start
            if part and (count == reports or size + more > PART_BYTES):
                yield part
                part, count, size = [], 0, 0
            count += 1
            size += more
            last = part[-1] if part else None
            if last is not None and last.location == piece.location and last.lines and piece.lines:
                part[-1] = replace(last, lines=_joined(last.lines, piece.lines))
            else:
                part.append(piece)
    if part:
        yield part


def _joined(first: Lines, second: Lines) -> Lines:
    return replace(
        first,
        end=second.end,
        reports=first.reports + second.reports,
        ids={**first.ids, **second.ids} if second.ids else first.ids,
        repeats={**first.repeats, **second.repeats} if second.repeats else first.repeats,
    )


def _reports_of(file: Piece, taken: MutableMapping[str, str]) -> Iterator[Piece]:
    """Yield each report of a file as a piece of its own, in order.

    ``taken`` maps the ids used before to the ids of their files; new ones are added. A file in
    which nothing can be found is a piece as it stands: reading it will say why.
    """
    if file.suffix not in (PARQUET, REPORTS):
        identity = free_id(file.id, _source(file), taken)
        taken[identity] = file.id
        yield replace(file, id=identity)
        return
    empty = True
    try:
        for lines in (_rows if file.suffix == PARQUET else _lines)(file, taken):
            empty = False
            yield replace(file, lines=lines)
    except (ZhibiaoError, OSError):
        empty = True
    if empty:
        yield file


def _lines(file: Piece, taken: MutableMapping[str, str]) -> Iterator[Lines]:
    with local_copy(file) as path:
        for lines in report_lines(replace(_source(file), path=path), taken):
            yield replace(lines, digest="")  # size and time of the file say whether it changed


def _rows(file: Piece, taken: MutableMapping[str, str]) -> Iterator[Lines]:
    first_rows: dict[str, int] = {}
    number = 0
    with open_table(file) as table:
        for batch in table.iter_batches(TABLE_ROWS, columns=["id", "text"]):
            texts = batch.column("text").is_valid().to_pylist()
            for own, has_text in zip(batch.column("id").to_pylist(), texts, strict=True):
                number += 1
                ids: dict[int, str] = {}
                repeats: dict[int, int] = {}
                if own in first_rows:
                    repeats[number] = first_rows[own]
                elif own and has_text:  # else reading it will say what is wrong
                    first_rows[own] = number
                    identity = free_id(own, _source(file), taken)
                    taken[identity] = file.id
                    if identity != own:
                        ids[number] = identity
                yield Lines(number - 1, number, number, 1, ids=ids, repeats=repeats)


def _source(file: Piece) -> Source:
    return Source(Path(file.location), file.id, file.name, file.size)
