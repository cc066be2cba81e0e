"""The training programs' data sources, read leniently: every problem, where they stop at one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from training.formats.draft import Draft, Problem, Rules, settle
from training.formats.registry import read_drafts
from zhibiao.corpus import read_splits
from zhibiao.errors import FormatError
from zhibiao.reports import Report
from zhibiao.spans import Span

__all__ = ["Split", "read_split_leniently", "surfaces"]


@dataclass(slots=True)
class Split:
    """A split as its files state it, the reports that hold, and every problem of the others."""

    name: str
    drafts: list[Draft] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_split_leniently(name: str, sources: Iterable[str], labels: tuple[str, ...]) -> Split:
    """Read ``FILE.jsonl`` and ``CORPUS:SPLIT`` sources into one split; it may end up empty.

    Raises:
        FormatError: a source of another form, a file that cannot be opened, a broken split list.
    """
    split = Split(name)
    for source in sources:
        for path, form in _files(source):
            if not path.is_file():
                split.problems.append(Problem(str(path), "syntax", "no such file"))
                continue
            for item in read_drafts(path, form):
                if isinstance(item, Problem):
                    split.problems.append(item)
                    continue
                split.drafts.append(item)
                report, problems = settle(item, Rules(labels))
                split.problems += problems
                if report:
                    split.reports.append(report)
    return split


def _files(source: str) -> list[tuple[Path, str]]:
    """Files of a source and the format of each, as in :func:`zhibiao.corpus.read_reports`."""
    if source.endswith(".jsonl"):
        if not Path(source).is_file():
            raise FormatError(f"{source}: no such file")
        return [(Path(source), "report")]
    corpus, colon, wanted = source.rpartition(":")
    if not colon:
        raise FormatError(f"data source {source!r}: write FILE.jsonl or CORPUS:SPLIT")
    chosen = read_splits(Path(corpus))
    folder = Path(corpus) / "reports"
    return [(folder / f"{i}.txt", "tagged") for i, split in chosen.items() if split == wanted]


def surfaces(draft: Draft) -> Iterator[tuple[Span, str]]:
    """The spans of a draft that are inside its text, each with its string."""
    for span in draft.spans:
        if 0 <= span.start < span.end <= len(draft.text):
            yield span, draft.text[span.start : span.end]
