"""Check every hand-tagged report: the format strictly, the annotation habits as warnings.

    python scripts/check_corpus.py [FILE...]     default: data/reports/*.txt
    python scripts/check_corpus.py --statistics  the tables of the data card, as Markdown

The sheets of gold rows (CORPUS/records/ID.csv and their second writing in
CORPUS/agreement/records) are checked with the reports that they belong to.

Errors (broken format, unknown genre, bad spans, bad rows) make the exit status 1. Warnings point
at places that are usually mistakes under the annotation guidelines; each is a place to look, not
a verdict.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from zhibiao.corpus import read_splits  # noqa: E402
from zhibiao.errors import FormatError  # noqa: E402
from zhibiao.records import Record  # noqa: E402
from zhibiao.reports import Report  # noqa: E402
from zhibiao.rows import read_rows  # noqa: E402
from zhibiao.spans import LABELS, Span  # noqa: E402
from zhibiao.tagged import read_tagged  # noqa: E402

SHEETS = "records"
SECOND = "agreement/records"
GENRES = (
    "science-county",
    "science-district",
    "science-city",
    "science-other",
    "government-work-report",
    "statistical-bulletin",
    "company-annual",
    "company-sustainability",
    "development-zone",
    "agriculture",
    "education",
    "health",
    "commerce",
    "finance",
    "environment",
    "human-resources",
    "poverty-rural",
    "project-progress",
    "plan-targets",
    "institute",
    "other",
)
_UNIT_AFTER = re.compile(
    r"[0-9０-９]+(?:\.[0-9]+)?(?=[%％]|万|亿|元|家|件|项|名|人(?:次|$|，|。|、)|份|亩|吨|公里|平方)"
)
_BAD_EDGE = re.compile(r"^[，。、；：！？）】》”’,.;:!?)]|[，。、；：！？（【《“‘,;:!?(]$")
_QUOTED = re.compile(r"^[“\"《‘][^”\"》’]*[”\"》’]$")
_HEDGE = re.compile(r"^(?:近|约|超过|不少于|超|达到|达|共|累计)|(?:以上|以下|左右)$")
_VERB = re.compile(
    r"^(?:新增|新认定|引进|拥有|达到|实现|完成|累计|力争|全区|全县|全市|我县|我市|我区)"
)


def habits(report: Report) -> Iterator[tuple[int, str]]:
    """Yield (offset, warning) for places that usually break the guidelines."""
    text = report.text
    covered = bytearray(len(text))
    previous: Span | None = None
    for span in report.spans:
        inside = text[span.start : span.end]
        covered[span.start : span.end] = b"\1" * (span.end - span.start)
        if _BAD_EDGE.search(inside) or _QUOTED.match(inside):
            yield span.start, f"{span.label} {inside!r} has punctuation at its edge"
        if span.label == "数值" and _HEDGE.search(inside):
            yield span.start, f"数值 {inside!r} swallows a hedge word"
        if span.label == "指标" and _VERB.search(inside):
            yield span.start, f"指标 {inside!r} begins with a verb or a region"
        if span.label == "年份" and re.search(r"月|日|底|初|期$", inside):
            yield span.start, f"年份 {inside!r} is more than the year"
        if span.label == "单位":
            if inside.endswith((")", "）")):
                yield span.start, f"单位 {inside!r} holds a measure word in brackets"
            adjacent = previous is not None and previous.label == "数值"
            gap = text[previous.end : span.start] if previous else "?"
            if not adjacent or gap.strip(" \n\u3000"):
                yield span.start, f"单位 {inside!r} does not follow a 数值"
        previous = span
    for match in _UNIT_AFTER.finditer(text):
        if not any(covered[match.start() : match.end()]):
            context = text[max(0, match.start() - 8) : match.end() + 6]
            yield match.start(), f"number before a unit is not tagged: …{context!r}…"


def check(path: Path) -> tuple[Report, list[str]]:
    """Read one file strictly and list its warnings.

    Raises:
        FormatError: broken format, id that is not the file's stem, unknown genre, no year.
    """
    report = read_tagged(path)
    if report.id != path.stem:
        raise FormatError(f"{path}: id {report.id!r} is not the file's stem {path.stem!r}")
    if report.meta.get("genre") not in GENRES:
        raise FormatError(f"{path}: genre {report.meta.get('genre')!r} is not one of {GENRES}")
    if not re.fullmatch(r"20[0-2][0-9]", str(report.meta.get("year", ""))):
        raise FormatError(f"{path}: header needs 'year: 20NN'")
    if report.text != report.text.strip("\n"):
        raise FormatError(f"{path}: the text begins or ends with an empty line")
    lines = path.read_text(encoding="utf-8").split("\n---\n", 1)[0].count("\n") + 3
    warnings = [
        f"{path}:{lines + report.text.count(chr(10), 0, offset)}: {message}"
        for offset, message in habits(report)
    ]
    return report, warnings


def orphans(corpus: Path) -> Iterator[str]:
    """Yield an error for each sheet of a corpus folder whose report is not there."""
    for folder in (SHEETS, SECOND):
        for sheet in sorted((corpus / folder).glob("*.csv")):
            if not (corpus / "reports" / f"{sheet.stem}.txt").is_file():
                yield f"{sheet}: no report {sheet.stem} in {corpus / 'reports'}"


def sheet_rows(path: Path, report: Report) -> tuple[list[Record] | None, list[str]]:
    """The gold rows of a report file in a corpus folder, if any, and what is wrong with them.

    The second writing is checked too, but its rows are not given.
    """
    reports = path.resolve().parent
    if reports.name != "reports":  # elsewhere (agreement/first) the same names have other spans
        return None, []
    found: dict[str, list[Record]] = {}
    errors = []
    for folder in (SHEETS, SECOND):
        sheet = reports.parent / folder / f"{path.stem}.csv"
        if not sheet.is_file():
            continue
        try:
            found[folder] = rows = read_rows(sheet, report)
        except FormatError as error:
            errors.append(str(error))
            continue
        if rows and not any(row.unit or row.indicator for row in rows):
            errors.append(f"{sheet}: no row has a unit or an indicator; fill the sheet")
    return found.get(SHEETS), errors


def row_statistics(rows: dict[str, list[Record]], splits: dict[str, str]) -> str:
    """A Markdown table of the gold rows by split; ``rows`` is by report."""
    columns = ("报告", "记录", "有指标", "有主体", "有限定词", "有年份", "变化", "占比", "目标")
    lines = [f"| 划分 | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    groups: dict[str, list[list[Record]]] = {}
    for report_id, records in rows.items():
        groups.setdefault(splits.get(report_id, "?"), []).append(records)
    for name, sheets in [*sorted(groups.items()), ("合计", list(rows.values()))]:
        records = [record for sheet in sheets for record in sheet]
        measures = Counter(record.measure for record in records)
        cells = [
            len(sheets),
            len(records),
            sum(record.indicator is not None for record in records),
            sum(bool(record.subject) for record in records),
            sum(record.qualifier is not None for record in records),
            sum(record.year is not None for record in records),
            measures["change"],
            measures["share"],
            sum(record.status == "target" for record in records),
        ]
        lines.append(f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def statistics(reports: list[Report], splits: dict[str, str]) -> str:
    """Markdown tables: reports, characters and spans of each label by split and by genre."""
    lines = []
    names = {
        "划分": {report.id: splits.get(report.id, "?") for report in reports},
        "体裁": {report.id: str(report.meta["genre"]) for report in reports},
    }
    for title, name_of in names.items():
        groups: dict[str, list[Report]] = {}
        for report in reports:
            groups.setdefault(name_of[report.id], []).append(report)
        rows = [*sorted(groups.items()), ("合计", reports)]
        lines += [
            f"| {title} | 报告 | 字符 | 片段 | {' | '.join(LABELS)} |",
            "| --- |" + " ---: |" * 9,
        ]
        for name, members in rows:
            counts = Counter(span.label for report in members for span in report.spans)
            cells = [len(members), sum(len(r.text) for r in members), counts.total()]
            cells += [counts[label] for label in LABELS]
            lines.append(f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="default: data/reports/*.txt")
    parser.add_argument("--quiet", action="store_true", help="errors and totals only")
    parser.add_argument("--statistics", action="store_true", help="print the data card's tables")
    args = parser.parse_args()
    files = args.files or sorted((ROOT / "data" / "reports").glob("*.txt"))
    strays = [] if args.files else list(orphans(ROOT / "data"))
    for stray in strays:
        print(f"error: {stray}")
    errors = len(strays)
    warned = characters = 0
    reports: list[Report] = []
    rows: dict[str, list[Record]] = {}
    labels: Counter[str] = Counter()
    genres: Counter[str] = Counter()
    for path in files:
        try:
            report, warnings = check(path)
        except FormatError as error:
            print(f"error: {error}")
            errors += 1
            continue
        reports.append(report)
        found, problems = sheet_rows(path, report)
        for problem in problems:
            print(f"error: {problem}")
        errors += len(problems)
        if found is not None:
            rows[report.id] = found
        warned += len(warnings)
        if not (args.quiet or args.statistics):
            print(*warnings, sep="\n", end="\n" if warnings else "")
        characters += len(report.text)
        genres[report.meta["genre"]] += 1
        labels.update(span.label for span in report.spans)
    if args.statistics:
        splits = read_splits(ROOT / "data")
        print(statistics(reports, splits))
        print(row_statistics(rows, splits), end="")
        return 1 if errors else 0
    print(
        f"{len(files)} reports, {characters} characters, {labels.total()} spans, "
        f"{errors} errors, {warned} warnings"
    )
    print(f"{len(rows)} sheets, {sum(map(len, rows.values()))} rows")
    print("  ".join(f"{label} {labels[label]}" for label in LABELS))
    print("  ".join(f"{genre} {count}" for genre, count in sorted(genres.items())))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
