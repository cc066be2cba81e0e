"""Tagged text (:mod:`zhibiao.tagged`): a folder of ``*.txt`` files, or one; six labels only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.formats.draft import Draft, Problem
from zhibiao.errors import FormatError, OutputError
from zhibiao.reports import Report
from zhibiao.spans import LABELS
from zhibiao.tagged import read_tagged, write_tagged

__all__ = ["read", "write"]

_UNSAFE = re.compile(r"[^\w.-]+")


def read(path: Path) -> Iterator[Draft | Problem]:
    """Drafts of one file, of the ``*.txt`` of a folder, or of the ``reports/`` of a corpus folder.

    A file that breaks the form is one problem: the reader of tagged text stops at its first.

    Raises:
        FormatError: no such file or folder, or a folder without ``*.txt``.
    """
    folder = path / "reports" if (path / "reports").is_dir() else path
    files = sorted(folder.glob("*.txt")) if folder.is_dir() else [path]
    if not files:
        raise FormatError(f"{folder}: no *.txt here; tagged text is a folder of them")
    for file in files:
        try:
            report = read_tagged(file)
        except OSError as error:
            raise FormatError(f"{file}: cannot be opened ({error.strerror})") from error
        except FormatError as error:
            yield Problem(str(file), "syntax", str(error).removeprefix(f"{file}:").strip())
        else:
            yield Draft(report.id, report.text, report.spans, str(file), report.meta)


def write(path: Path, reports: Sequence[Report]) -> list[Problem]:
    """Write a new folder with one file a report, named after its id.

    Text with carriage returns does not fit, nor do labels beyond the six; meta that a header line
    cannot hold is written as JSON, or left out with a note.

    Raises:
        OutputError: the folder is not empty: files of an earlier run would stay among the new.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path}: is there already; name a new or empty folder")
    path.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    taken: set[str] = set()
    for report in reports:
        beyond = sorted({span.label for span in report.spans} - set(LABELS))
        if beyond:
            reason = f"tagged text holds the six labels only, not {'、'.join(beyond)}; use --map"
            problems.append(Problem(f"report {report.id}", "fit", reason))
            continue
        stem = name = _UNSAFE.sub("_", report.id).strip(".") or "report"
        while name.lower() in taken:  # some file systems know no case
            name = f"{stem}-{len(taken)}"
        try:
            write_tagged(path / f"{name}.txt", _fitting(report, problems))
        except FormatError as error:
            problems.append(Problem(f"report {report.id}", "fit", str(error)))
        else:
            taken.add(name.lower())
    return problems


def _fitting(report: Report, problems: list[Problem]) -> Report:
    meta = {}
    for key, value in report.meta.items():
        line = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if isinstance(value, str) and (value != value.strip() or "\n" in value):
            line = json.dumps(value, ensure_ascii=False)
        if key != key.strip() or not key or ":" in key or "\n" in key or "\r" in key + line:
            line = ""
        if key == "id" or not line:
            reason = f"meta {key!r} does not fit a header line and is left out"
            problems.append(Problem(f"report {report.id}", "fit", reason, note=True))
        else:
            meta[key] = line
    return Report(report.id, report.text, report.spans, meta)
