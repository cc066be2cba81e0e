"""Text files line by line and JSON record by record, with errors that name file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from training.formats.draft import Draft, Problem
from zhibiao.errors import FormatError
from zhibiao.files import replacing
from zhibiao.reports import Report

__all__ = ["RecordError", "each_json_line", "read_lines", "write_json_lines"]


class RecordError(ValueError):
    """One record that cannot be read; its text is the reason. Becomes a problem, never escapes."""

    def __init__(self, message: str, kind: str = "syntax") -> None:
        super().__init__(message)
        self.kind = kind


T = TypeVar("T")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines, without line ends; only ``\\n`` and ``\\r\\n`` end a line.

    Raises:
        FormatError: the file cannot be opened or is not UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 ({error.reason}); convert the file first") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be opened ({error.strerror})") from error


def each_json_line(
    path: Path, build: Callable[[Mapping[str, Any], str, int], Iterable[Draft | Problem]]
) -> Iterator[Draft | Problem]:
    """What ``build(object, where, line number)`` makes of every line; blank lines are passed over.

    A line that is no JSON object, or for which ``build`` raises RecordError, becomes a problem.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            data = json.loads(line, object_pairs_hook=_unique)
            if not isinstance(data, dict):
                raise RecordError(f"expected a JSON object, found {type(data).__name__}")
            yield from build(data, where, number)
        except json.JSONDecodeError as error:
            reason = f"broken JSON at column {error.colno}: {error.msg}"
            yield Problem(where, "syntax", reason)
        except RecursionError:
            yield Problem(where, "syntax", "JSON nested too deeply")
        except RecordError as error:
            yield Problem(where, error.kind, str(error))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of a key that is there twice, JSON readers drop one silently."""
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RecordError(f"key {twice!r} is there twice in one object")
    return data


def write_json_lines(
    path: Path, reports: Sequence[Report], build: Callable[[Report], dict[str, Any]]
) -> list[Problem]:
    """Write one JSON object a report; JSON holds every text, so there are no problems."""
    with replacing(path) as stream:
        for report in reports:
            stream.write(json.dumps(build(report), ensure_ascii=False) + "\n")
    return []
