"""Convert annotated text between formats, with every problem listed.

    python -m training.convert INPUT OUTPUT [--from F] [--to F] [--labels L ...] [--map OLD=NEW ...]

Records that can be converted are; of the others every problem is listed, and a report with a
broken span is left out as a whole. Exit status: 0 all converted, 1 something was left out,
2 wrong use or an INPUT that cannot be read at all (nothing is written).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from training.formats import (
    FORMATS,
    Draft,
    Options,
    Problem,
    Rules,
    read_drafts,
    settle,
    write_reports,
)
from zhibiao.errors import FormatError, ZhibiaoError
from zhibiao.files import replacing
from zhibiao.reports import Report
from zhibiao.spans import LABELS

__all__ = ["Converted", "convert"]

_SHOWN = 50
_AUTO = ["auto"]


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion did: reports and spans written, by label; what is wrong; what to know.

    ``unknown`` counts the spans of labels outside the label set.
    """

    reports: int
    left_out: int
    spans: Mapping[str, int]
    unknown: Mapping[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def convert(
    source: str | Path,
    target: str | Path,
    read_as: str | None = None,
    write_as: str | None = None,
    *,
    labels: Sequence[str] | None = LABELS,
    renames: Mapping[str, str] | None = None,
    fix: bool = False,
    longest: bool = False,
    options: Options | None = None,
) -> Converted:
    """Read ``source``, settle every record by the rules, write what holds to ``target``.

    ``labels`` None takes all labels of the file, after ``renames``.

    Raises:
        FormatError: the input cannot be read or has nothing in it, or both names are one file.
        OutputError: the output cannot be written.
    """
    if Path(source).resolve() == Path(target).resolve():
        raise FormatError(f"{target}: is the input too; name another output")
    problems: list[Problem] = []
    drafts: list[Draft] = []
    for item in read_drafts(source, read_as, options):
        if isinstance(item, Draft):
            drafts.append(item)
        else:
            problems.append(item)
    if not drafts and all(problem.note for problem in problems):
        raise FormatError(f"{source}: no annotated text in it; is --from right?")
    renames = renames or {}
    if labels is None:
        found = {renames.get(span.label, span.label) for d in drafts for span in d.spans} - {""}
        labels = [label for label in LABELS if label in found] + sorted(found - set(LABELS))
    rules = Rules(tuple(labels), renames, fix, longest)
    reports: list[Report] = []
    seen: dict[str, str] = {}
    for draft in drafts:
        if draft.id in seen:
            reason = f"id {draft.id!r} is already used at {seen[draft.id]}"
            problems.append(Problem(draft.where, "id", reason))
            continue
        seen[draft.id] = draft.where
        report, said = settle(draft, rules)
        problems += said
        if report:
            reports.append(report)
    unfit = write_reports(target, reports, write_as) if reports else []
    problems += unfit
    lost = {problem.where.removeprefix("report ") for problem in unfit if not problem.note}
    written = [report for report in reports if report.id not in lost]
    labelled = (renames.get(span.label, span.label) for draft in drafts for span in draft.spans)
    return Converted(
        len(written),
        len(drafts) - len(written),
        Counter(span.label for report in written for span in report.spans),
        Counter(label for label in labelled if label and label not in labels),
        tuple(problem for problem in problems if not problem.note),
        tuple(problem for problem in problems if problem.note),
    )


def main(argv: list[str] | None = None) -> None:
    options = _arguments(argv)
    errors = Console(emoji=False, stderr=True, soft_wrap=True, markup=False, highlight=False)
    try:
        done = convert(
            options.input,
            options.output,
            options.read_as,
            options.write_as,
            labels=None if options.labels == _AUTO else options.labels,
            renames=_renames(options.map),
            fix=options.fix,
            longest=options.longest,
            options=Options(options.text_field, options.joiner),
        )
        if options.problems:
            _write_problems(options.problems, (*done.problems, *done.notes))
    except ZhibiaoError as error:
        errors.print(f"error: {error}")
        raise SystemExit(2) from error
    for title, problems in (("problem", done.problems), ("note", done.notes)):
        for problem in problems[:_SHOWN]:
            errors.print(f"{title}: {problem}")
        kinds = Counter(problem.kind for problem in problems[_SHOWN:])
        if kinds:
            more = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
            errors.print(f"{title}: {kinds.total()} more ({more}); --problems FILE lists all")
    if done.unknown:
        unknown = ", ".join(f"{label} {count}" for label, count in done.unknown.items())
        errors.print(f"unknown labels: {unknown}; name them with --labels, or rename with --map")
    spans = ", ".join(f"{label} {count}" for label, count in done.spans.items())
    if not done.reports:
        errors.print(f"{options.output}: not written, as no report is fit for it")
        raise SystemExit(1)
    print(f"{options.output}: {done.reports} reports, {sum(done.spans.values())} spans ({spans})")
    if done.problems:
        errors.print(f"{len(done.problems)} problems; {done.left_out} readable reports left out")
        raise SystemExit(1)


def _renames(pairs: Sequence[str]) -> dict[str, str]:
    renames: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.rpartition("=")
        if not equals or not old or old in renames:
            raise FormatError(f"--map {pair!r}: write OLD=NEW, each OLD once (OLD= leaves it out)")
        renames[old] = new
    return renames


def _write_problems(path: Path, problems: Iterable[Problem]) -> None:
    with replacing(path) as stream:
        for p in problems:
            line = {"where": p.where, "kind": p.kind, "message": p.message, "note": p.note}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    names = "\n".join(f"  {name:<12} {title}" for name, title in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="python -m training.convert",
        description=__doc__,
        epilog=f"formats:\n{names}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("input", metavar="INPUT")
    parser.add_argument("output", metavar="OUTPUT")
    parser.add_argument(
        "--from", dest="read_as", metavar="F", choices=[*FORMATS], help="default: by content"
    )
    parser.add_argument(
        "--to", dest="write_as", metavar="F", choices=[*FORMATS], help="default: by suffix"
    )
    parser.add_argument(
        "--labels",
        nargs="+",
        default=list(LABELS),
        metavar="L",
        help="the label set; 'auto' takes whatever the file has (default: the six labels)",
    )
    parser.add_argument(
        "--map",
        nargs="+",
        action="extend",
        default=[],
        metavar="OLD=NEW",
        help="rename labels; OLD= leaves the spans of a label out",
    )
    parser.add_argument("--fix", action="store_true", help="move blank edges of spans inward")
    parser.add_argument(
        "--longest", action="store_true", help="of overlapping spans, keep the longest"
    )
    parser.add_argument(
        "--text-field", metavar="KEY", help="labelstudio: the key of the task's data with the text"
    )
    parser.add_argument(
        "--joiner", default="", metavar="TEXT", help="columns: what stands between tokens"
    )
    parser.add_argument("--problems", type=Path, metavar="FILE", help="write all problems as JSONL")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
