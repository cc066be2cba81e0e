"""How well the annotators of the same reports agree, and where they do not.

    python -m annotation agreement SOURCE... [--list] [--html FILE] [--json FILE]

Two measures, because each hides what the other shows:

Strict F1 of one version against the other: a span agrees when start, end and label do. For spans
it takes the place of kappa, which needs the number of agreed negatives; the spans that nobody
marked cannot be counted, and as their number grows kappa approaches F1 (Hripcsak and Rothschild,
"Agreement, the F-measure, and reliability in information retrieval", JAMIA 12(3), 2005). It knows
no chance, and a border off by one character costs as much as a missing span.

Krippendorff's alpha over characters (Krippendorff, Content Analysis, 2nd ed. 2004, chapter 11;
4th ed. 2018, chapter 12), corrected for chance:

- A unit is one character (code point) of a report that two annotators or more did, punctuation
  and white space included.
- Its categories are the IOB2 tags, nominal: 13 for all labels; B, I and everything else for one
  label. With a tag for beginnings, two neighbouring spans differ from one merged span.
- A value is missing where an annotator did not do the report. A done report without spans is all O.

Alpha over characters gives long spans more weight: a name of thirty characters counts fifteen
times as much as a unit of two, and where its border moves by one character the others still
agree, so alpha flatters annotators who differ about borders. Characters of one span are also not
independent decisions, so an interval that took them for such would be too narrow; none is given.
Krippendorff's alpha for unitising, which weighs whole spans, is not in the library used here.

Where a measure is undefined (nobody used a label, so there is no variation) it is None, and shown
as a dash: neither perfect nor absent agreement has been observed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from annotation.disagreement import KINDS, Difference, Version, compare, read_versions
from zhibiao.files import replacing
from zhibiao.journal import one_line
from zhibiao.metrics import Scores, score_reports
from zhibiao.reports import Report
from zhibiao.spans import LABELS, Span
from zhibiao.tagging import TAGS, spans_to_tags

__all__ = ["Agreement", "agreement", "configure", "run"]

_Codes = npt.NDArray[np.int8]
_MISSING = -1


@dataclass(frozen=True)
class Pair:
    """Two annotators: figures over the reports both did, and the differences in each.

    ``alpha`` has an entry a label and one under "all".
    """

    first: Version
    second: Version
    scores: Scores
    alpha: dict[str, float | None]
    differences: dict[str, list[Difference]]

    @cached_property
    def reports(self) -> int:
        """How many reports both did."""
        return len(self.first.reports.keys() & self.second.reports.keys())

    @cached_property
    def only_first(self) -> int:
        """How many reports the first did and the second did not; they enter no figure."""
        return len(self.first.reports) - self.reports

    @cached_property
    def only_second(self) -> int:
        """How many reports the second did and the first did not; they enter no figure."""
        return len(self.second.reports) - self.reports

    @cached_property
    def kinds(self) -> dict[str, int]:
        """How many differences of each kind there are, in the order of ``KINDS``."""
        counts = Counter(item.kind for items in self.differences.values() for item in items)
        return {kind: counts[kind] for kind in KINDS}

    def f1(self, label: str = "all") -> float | None:
        """Strict F1 of a label or, micro-averaged, of all; None where neither used it."""
        counts = self.scores.micro if label == "all" else self.scores.labels[label]
        return counts.f1 if counts.gold or counts.predicted else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures of each pair of annotators, and alpha of all of them together.

    ``shared`` and ``single`` count the reports that several annotators and that only one did;
    the latter enter no figure.
    """

    versions: tuple[Version, ...]
    pairs: tuple[Pair, ...]
    alpha: dict[str, float | None]
    shared: int
    single: int

    def to_dict(self) -> dict[str, Any]:
        """All figures and all differences as plain values for JSON; undefined ones are null."""
        return {
            "annotators": [
                {
                    "name": version.name,
                    "source": str(version.source),
                    "reports": len(version.reports),
                    "spans": sum(len(report.spans) for report in version.reports.values()),
                }
                for version in self.versions
            ],
            "reports": {"shared": self.shared, "single": self.single},
            "alpha": {key: _rounded(value) for key, value in self.alpha.items()},
            "pairs": [_pair_dict(pair) for pair in self.pairs],
        }


def agreement(versions: Sequence[Version]) -> Agreement:
    """Compare two or more versions; texts of the same report must be equal.

    Measures and what they mean: see the module. Time and memory grow with characters times
    annotators; 300 reports of 1,500 characters by five annotators take a few seconds.
    """
    holders = Counter(report_id for version in versions for report_id in version.reports)
    shared = [report_id for report_id, count in holders.items() if count > 1]
    codes = _codes(versions, shared)
    pairs = []
    for one, other in combinations(range(len(versions)), 2):
        first, second = versions[one], versions[other]
        common = [report_id for report_id in first.reports if report_id in second.reports]
        pairs.append(
            Pair(
                first,
                second,
                score_reports(
                    (first.reports[report_id].spans, second.reports[report_id].spans)
                    for report_id in common
                ),
                _alphas(codes[[one, other]]),
                compare(first, second),
            )
        )
    return Agreement(
        tuple(versions),
        tuple(pairs),
        # The same numbers: no need to count them again.
        pairs[0].alpha if len(pairs) == 1 else _alphas(codes),
        shared=len(shared),
        single=len(holders) - len(shared),
    )


def _codes(versions: Sequence[Version], report_ids: Sequence[str]) -> _Codes:
    """Tag numbers, shape (annotators, characters of all reports); -1 where one did not do it."""
    columns = []
    for report_id in report_ids:
        reports = [version.reports.get(report_id) for version in versions]
        length = next(len(report.text) for report in reports if report is not None)
        columns.append(
            np.stack(
                [
                    np.full(length, _MISSING, np.int8)
                    if report is None
                    else spans_to_tags(length, report.spans).astype(np.int8)
                    for report in reports
                ]
            )
        )
    return np.concatenate(columns, axis=1) if columns else np.empty((len(versions), 0), np.int8)


def _alphas(codes: _Codes) -> dict[str, float | None]:
    """Alpha of each label and of "all"; codes of shape (annotators, characters)."""
    codes = codes[:, (codes != _MISSING).sum(axis=0) > 1]
    alphas = {}
    for number, label in enumerate(LABELS):
        # Tag -> 1 for B, 2 for I of this label, 0 for the rest; the last entry is that of -1.
        own = np.zeros(len(TAGS) + 1, np.int8)
        own[2 * number + 1], own[2 * number + 2], own[_MISSING] = 1, 2, _MISSING
        alphas[label] = _alpha(own[codes], 3)
    alphas["all"] = _alpha(codes, len(TAGS))
    return alphas


def _alpha(codes: _Codes, categories: int) -> float | None:
    """Nominal alpha of codes (annotators, units), two values a unit at least; None: undefined.

    A unit on which its m annotators agree adds m to the diagonal of the coincidence matrix and
    nothing else, so all such units of a category are exactly one unit with the sum of their
    values. The library builds a (units, categories, categories) array: this keeps it to the few
    units that differ, where the whole corpus would take gigabytes.
    """
    present = codes != _MISSING
    highest = codes.max(axis=0, initial=_MISSING)
    agreed = ((codes == highest) | ~present).all(axis=0)
    totals = np.bincount(
        highest[agreed], weights=present[:, agreed].sum(axis=0), minlength=categories
    )
    differing = codes[:, ~agreed]
    counts = np.stack([(differing == value).sum(axis=0) for value in range(categories)], axis=1)
    counts = np.concatenate([np.diag(totals.astype(np.int64)), counts])
    used = counts.any(axis=0)
    if used.sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts[:, used], level_of_measurement="nominal"))


def _rounded(value: float | None) -> float | None:
    # Adding 0.0 turns the -0.0 of a tiny negative alpha into 0.0.
    return None if value is None else round(value, 4) + 0.0


def _pair_dict(pair: Pair) -> dict[str, Any]:
    def figures(key: str) -> dict[str, Any]:
        counts = pair.scores.micro if key == "all" else pair.scores.labels[key]
        return {
            "f1": _rounded(pair.f1(key)),
            "alpha": _rounded(pair.alpha[key]),
            "both": counts.right,
            "first": counts.gold,
            "second": counts.predicted,
        }

    return {
        "first": pair.first.name,
        "second": pair.second.name,
        "reports": pair.reports,
        "only_first": pair.only_first,
        "only_second": pair.only_second,
        "labels": {label: figures(label) for label in LABELS},
        "all": figures("all"),
        "kinds": pair.kinds,
        "differences": [
            {
                "report": report_id,
                "kind": item.kind,
                "start": item.start,
                "end": item.end,
                "text": pair.first.reports[report_id].text[item.start : item.end],
                "first": [{"start": s.start, "end": s.end, "label": s.label} for s in item.first],
                "second": [{"start": s.start, "end": s.end, "label": s.label} for s in item.second],
                "links": {
                    "first": pair.first.reports[report_id].meta.get("link"),
                    "second": pair.second.reports[report_id].meta.get("link"),
                },
            }
            for report_id, items in pair.differences.items()
            for item in items
        ],
    }


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="导出文件夹（比较其中所有标注者），或两份以上的标注：标注文本文件夹、报告 JSONL",
    )
    parser.add_argument("--list", action="store_true", help="逐行列出每一处分歧及上下文")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="写一个分歧网页：两份标注并排对照，不依赖网络"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="把全部数字和分歧写成 JSON")


def run(options: argparse.Namespace) -> int:
    """Print the figures, and write what was asked for."""
    found = agreement(read_versions(options.sources))
    console = Console(soft_wrap=True, highlight=False, emoji=False)
    if options.list:
        for line in _lines(found):
            console.print(line, markup=False)
    _print_tables(found, console)
    if options.html:
        # Imported late: it imports this module, and only the page needs templates.
        from annotation.disagreement_page import write_page

        write_page(options.html, found)
        console.print(f"分歧网页：{options.html}", markup=False)
    if options.json:
        with replacing(options.json) as stream:
            json.dump(found.to_dict(), stream, ensure_ascii=False, indent=1)
            stream.write("\n")
        console.print(f"全部数据：{options.json}", markup=False)
    return 0


def _lines(found: Agreement) -> Iterator[str]:
    """A line for every difference of every pair, in its context."""
    for pair in found.pairs:
        for report_id, items in pair.differences.items():
            report = pair.first.reports[report_id]
            for item in items:
                sides = "｜".join(
                    f"{version.name}：{_tagged(report, item, spans)}"
                    for version, spans in ((pair.first, item.first), (pair.second, item.second))
                )
                before = report.text[max(0, item.start - 12) : item.start]
                after = report.text[item.end : item.end + 8]
                line = f"{report_id}:{item.start} {KINDS[item.kind]} {before}【{sides}】{after}"
                yield one_line(line.replace("\n", "⏎"))


def _tagged(report: Report, item: Difference, spans: Sequence[Span]) -> str:
    pieces = []
    position = item.start
    for span in spans:
        pieces.append(report.text[position : span.start])
        pieces.append(f"⟦{span.label}|{report.text[span.start : span.end]}⟧")
        position = span.end
    return "".join(pieces) + report.text[position : item.end]


def _print_tables(found: Agreement, console: Console) -> None:
    for pair in found.pairs:
        first, second = one_line(pair.first.name), one_line(pair.second.name)
        table = Table()
        for heading in ("标签", "严格 F1", "α", "一致", "前者", "后者"):
            table.add_column(heading, justify="left" if heading == "标签" else "right")
        for key in (*LABELS, "all"):
            counts = pair.scores.micro if key == "all" else pair.scores.labels[key]
            table.add_row(
                "全部" if key == "all" else key,
                _shown(pair.f1(key)),
                _shown(pair.alpha[key]),
                *(f"{count:,}" for count in (counts.right, counts.gold, counts.predicted)),
                end_section=key == LABELS[-1],
            )
        # Not the table's title: names may hold square brackets, which would be markup.
        console.print(
            f"前者 {first}，后者 {second}：都标了的报告 {pair.reports} 份，"
            f"仅前者标的 {pair.only_first} 份，仅后者标的 {pair.only_second} 份",
            markup=False,
        )
        console.print(table)
        kinds = "，".join(f"{KINDS[kind]} {count}" for kind, count in pair.kinds.items() if count)
        total = sum(pair.kinds.values())
        console.print(f"分歧 {total} 处{'：' if kinds else ''}{kinds}\n", markup=False)
    if len(found.versions) > 2:
        alphas = "，".join(
            f"{'全部' if key == 'all' else key} {_shown(value)}"
            for key, value in found.alpha.items()
        )
        console.print(f"所有 {len(found.versions)} 人合计的 α：{alphas}", markup=False)
    if found.single:
        console.print(f"另有 {found.single} 份报告只有一人标注，未计入。", markup=False)


def _shown(value: float | None) -> str:
    return "—" if value is None else f"{_rounded(value):.4f}"
