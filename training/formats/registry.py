"""The formats by name, and which one a file is in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.formats import (
    cluener,
    columns,
    doccano,
    hf_dataset,
    label_studio,
    report_jsonl,
    spacy_docbin,
    tagged_text,
)
from training.formats.draft import Draft, Problem
from training.formats.lines import read_lines
from training.formats.schemes import SCHEMES
from zhibiao.errors import FormatError
from zhibiao.reports import Report

__all__ = ["FORMATS", "Options", "detect", "read_drafts", "write_reports"]

FORMATS: dict[str, str] = {
    "report": "report JSONL, this project's own",
    "tagged": "tagged text: a folder of *.txt, six labels only",
    "labelstudio": "Label Studio's JSON or JSON_MIN export",
    "columns": "one token a line, its tag last; the tag scheme is found out, IOB2 is written",
    **{name: f"columns, {name.upper()} tags" for name in SCHEMES},
    "cluener": "CLUENER JSON, one object a line",
    "spacy": "spaCy DocBin (needs spaCy)",
    "doccano": "doccano JSONL",
    "datasets": "a dataset of the Hugging Face library datasets: a folder (save_to_disk)",
}
"""Names for ``--from`` and ``--to``, and what each is; iob1 is only read."""

_SUFFIXES = {
    ".jsonl": "report",
    ".spacy": "spacy",
    ".bio": "columns",
    ".conll": "columns",
    ".iob": "columns",
    ".iob2": "columns",
    ".tsv": "columns",
    ".bioes": "bioes",
    ".bmes": "bmes",
    ".bilou": "bilou",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What some formats need to be told: the key of the text (labelstudio), the text between
    tokens (columns)."""

    text_field: str | None = None
    joiner: str = ""


def read_drafts(
    path: str | Path, name: str | None = None, options: Options | None = None
) -> Iterator[Draft | Problem]:
    """Drafts and problems of ``path`` in format ``name``, or in the one it looks like.

    Raises:
        FormatError: the file is not there, or is of no known format or another one; names what
            to do.
    """
    path = Path(path)
    options = options or Options()
    if not path.exists():
        raise FormatError(f"{path}: no such file or folder")
    name = _known(name) if name else detect(path)
    if path.is_dir() and name not in ("tagged", "datasets"):
        raise FormatError(f"{path}: a folder; {name} is a file")
    match name:
        case "report":
            return report_jsonl.read(path)
        case "tagged":
            return tagged_text.read(path)
        case "labelstudio":
            return label_studio.read(path, options.text_field)
        case "cluener":
            return cluener.read(path)
        case "spacy":
            return spacy_docbin.read(path)
        case "doccano":
            return doccano.read(path)
        case "datasets":
            return hf_dataset.read(path)
        case _:
            return columns.read(path, None if name == "columns" else name, options.joiner)


def write_reports(
    path: str | Path, reports: Sequence[Report], name: str | None = None
) -> list[Problem]:
    """Write reports in format ``name``, or in the one the suffix stands for; what does not fit.

    Raises:
        FormatError: the suffix stands for no one format.
        OutputError: the place cannot be written.
    """
    path = Path(path)
    match _known(name) if name else _by_suffix(path):
        case "report":
            return report_jsonl.write(path, reports)
        case "tagged":
            return tagged_text.write(path, reports)
        case "labelstudio":
            return label_studio.write(path, reports)
        case "cluener":
            return cluener.write(path, reports)
        case "spacy":
            return spacy_docbin.write(path, reports)
        case "doccano":
            return doccano.write(path, reports)
        case "datasets":
            return hf_dataset.write(path, reports)
        case "columns":
            return columns.write(path, reports)
        case scheme:
            return columns.write(path, reports, scheme)


def detect(path: Path) -> str:
    """The format a file is in, from suffix and first line.

    Raises:
        FormatError: it cannot be told.
    """
    if path.is_dir():
        return "datasets" if hf_dataset.is_dataset(path) else "tagged"
    if path.suffix == ".spacy":
        return "spacy"
    first = next((line for _, line in read_lines(path) if line.strip()), "")
    if not first:
        raise FormatError(f"{path}: empty; no annotated text in it")
    if first == "---":
        return "tagged"
    if first.lstrip().startswith("["):
        return "labelstudio"
    if first.lstrip().startswith("{"):
        return _of_object(path, first)
    words = first.split()
    marked = first.startswith(("-DOCSTART-", "# "))
    if marked or (len(words) >= 2 and (words[-1] == "O" or words[-1][1:2] == "-")):
        return path.suffix[1:] if path.suffix[1:] in SCHEMES else "columns"
    raise FormatError(f"{path}: cannot tell the format; name it with --from ({', '.join(FORMATS)})")


def _of_object(path: Path, line: str) -> str:
    try:
        data = json.loads(line)
    except json.JSONDecodeError:
        data = {}  # a broken first line must not hide the others
    if isinstance(data.get("label"), dict):
        return "cluener"
    if "spans" in data:
        return "report"
    if any(key in data for key in ("label", "labels", "entities")):
        return "doccano"
    if isinstance(data.get("id"), str) or path.suffix == ".jsonl":
        return "report"
    if isinstance(data.get("text"), str):
        return "cluener"  # its test part has no labels, and ids that are numbers
    raise FormatError(f"{path}: cannot tell which JSON this is; name it with --from")


def _known(name: str) -> str:
    if name not in FORMATS:
        raise FormatError(f"unknown format {name!r}; use one of {', '.join(FORMATS)}")
    return name


def _by_suffix(path: Path) -> str:
    if path.is_dir() or not path.suffix:
        return "tagged"
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    raise FormatError(
        f"{path}: the suffix does not tell the format; name it with --to ({', '.join(FORMATS)})"
    )
