"""Check every hand-tagged report: the format strictly, the annotation habits as warnings.

    python scripts/check_corpus.py [FILE...]     default: data/reports/*.txt
    python scripts/check_corpus.py --statistics  the tables of the data card, as Markdown

Errors (broken format, unknown genre, bad spans) make the exit status 1. Warnings point at places
that are usually mistakes under the annotation guidelines; each is a place to look, not a verdict.
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
from zhibiao.reports import Report  # noqa: E402
from zhibiao.spans import LABELS, Span  # noqa: E402
from zhibiao.tagged import read_tagged  # noqa: E402

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
    errors = warned = characters = 0
    reports: list[Report] = []
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
        warned += len(warnings)
        if not (args.quiet or args.statistics):
            print(*warnings, sep="\n", end="\n" if warnings else "")
        characters += len(report.text)
        genres[report.meta["genre"]] += 1
        labels.update(span.label for span in report.spans)
    if args.statistics:
        print(statistics(reports, read_splits(ROOT / "data")), end="")
        return 1 if errors else 0
    print(
        f"{len(files)} reports, {characters} characters, {labels.total()} spans, "
        f"{errors} errors, {warned} warnings"
    )
    print("  ".join(f"{label} {labels[label]}" for label in LABELS))
    print("  ".join(f"{genre} {count}" for genre, count in sorted(genres.items())))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
