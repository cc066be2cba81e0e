"""List which spellings of indicators are merged, for people to read and judge.

    python scripts/series_names.py data

Prints every key under which the 指标 spans of the corpus have more than one spelling, then the
series with conflicts that the rows files of the corpus make, then the counts.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

from zhibiao import Report, read_tagged
from zhibiao.errors import ZhibiaoError
from zhibiao.rows import read_rows
from zhibiao.series import Row, Series, indicator_key, merge_series


def spellings(reports: list[Report]) -> dict[str, Counter[str]]:
    """The spellings of each indicator key, with how often each is written."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in reports:
        for span in report.spans:
            name = report.text[span.start : span.end]
            if span.label == "指标" and (key := indicator_key(name)):
                found[key][" ".join(name.split())] += 1
    return dict(found)


def corpus_series(corpus: Path) -> list[Series]:
    """The series of all rows files of a corpus folder."""
    rows = []
    for path in sorted((corpus / "records").glob("*.csv")):
        report = read_tagged(corpus / "reports" / f"{path.stem}.txt")
        title = "\n".join(report.text.split("\n")[:4])
        names = Counter(report.text[s.start : s.end] for s in report.spans if s.label == "机构")
        organisations = tuple(name for name, _ in names.most_common())
        records = read_rows(path, report)
        rows += [Row(report.id, title, record, organisations) for record in records]
    return merge_series(rows)


def main(arguments: list[str] | None = None) -> int:
    """Return 1 when the corpus cannot be read."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="corpus folder")
    corpus: Path = parser.parse_args(arguments).corpus
    try:
        keys = spellings([read_tagged(p) for p in sorted((corpus / "reports").glob("*.txt"))])
        series = corpus_series(corpus)
    except ZhibiaoError as error:
        print(error, file=sys.stderr)
        return 1
    merged = {key: names for key, names in keys.items() if len(names) > 1}
    for names in sorted(merged.values(), key=lambda names: -names.total()):
        print(" / ".join(f"{name} {count}" for name, count in names.most_common()))
    for one in series:
        for group in one.conflicts:
            values = "，".join(
                f"{p.row.report_id} {p.row.record.value.text}{p.row.record.unit.text}"
                if p.row.record.unit
                else f"{p.row.report_id} {p.row.record.value.text}"
                for p in group
            )
            print(f"冲突：{one.owner} {one.indicator} {group[0].year_value}：{values}")
    written = sum(len(names) for names in merged.values())
    print(f"{len(keys)} 个指标，其中 {len(merged)} 个有 {written} 种写法")
    print(f"{sum(len(one.points) for one in series)} 行记录，{len(series)} 条序列")
    return 0


if __name__ == "__main__":
    sys.exit(main())
