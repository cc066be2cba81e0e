"""The corpus as it is: every file, the splits, the card's figures, the agreement."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from annotation.agreement import agreement
from annotation.disagreement import Version, read_versions
from training.dataset import lost_spans
from zhibiao import Report, read_jsonl, read_tagged, write_tagged
from zhibiao.corpus import read_split
from zhibiao.rows import read_rows

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def corpus(root: Path) -> dict[str, list[Report]]:
    return {split: read_split(root / "data", split) for split in SPLITS}


def test_every_report_has_one_split(root: Path, corpus: dict[str, list[Report]]) -> None:
    listed = Counter(report.id for reports in corpus.values() for report in reports)
    files = {path.stem for path in (root / "data" / "reports").glob("*.txt")}
    assert set(listed) == files
    assert set(listed.values()) == {1}


def test_size(corpus: dict[str, list[Report]]) -> None:
    reports = [report for part in corpus.values() for report in part]
    assert len(reports) >= 180
    assert sum(len(report.text) for report in reports) >= 110_000
    assert sum(len(report.spans) for report in reports) >= 9_000
    assert len({report.meta["genre"] for report in reports}) >= 12


def test_no_gold_span_is_lost(corpus: dict[str, list[Report]], root: Path) -> None:
    reports = [report for part in corpus.values() for report in part]
    shared = root.parent / "shared" / "dev" / "reports.jsonl"
    if shared.is_file():
        reports += list(read_jsonl(shared))
    assert lost_spans(reports, 254, 32) == 0


def test_no_text_stands_twice(corpus: dict[str, list[Report]]) -> None:
    sentences = Counter(
        sentence
        for reports in corpus.values()
        for report in reports
        for sentence in set(report.text.replace("\n", "。").split("。"))
        if len(sentence) > 40
    )
    assert [sentence for sentence, count in sentences.items() if count > 1] == []


def test_card_shows_current_statistics(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/check_corpus.py", "--statistics"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
    assert done.stdout in (root / "data" / "README.md").read_text(encoding="utf-8")


def test_second_tagging_covers_enough(root: Path, corpus: dict[str, list[Report]]) -> None:
    folder = root / "data" / "agreement"
    first, second = read_versions([folder / "first", folder / "second"])
    reports = {report.id: report for part in corpus.values() for report in part}
    final = Version("final", root / "data", {name: reports[name] for name in first.reports})
    assert first.reports.keys() == second.reports.keys()
    assert len(first.reports) >= 0.15 * len(reports)
    assert all(report.text == final.reports[name].text for name, report in first.reports.items())
    found = {
        (pair.first.name, pair.second.name): pair.scores.micro.f1
        for pair in agreement([first, second, final]).pairs
    }
    # Resolved: the corpus is nearer to both than they are to each other.
    assert found["first", "final"] > found["first", "second"] > 0.9
    assert found["second", "final"] > found["first", "second"]


def test_check_names_the_broken_file(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x01.txt"
    path.write_text(
        "---\nid: x01\ngenre: other\nyear: 2016\n---\n约⟦数值|约3⟧件⟧\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "scripts/check_corpus.py", str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"error: {path}:6: ⟧ without ⟦" in done.stdout


def test_check_names_the_broken_sheet(root: Path, tmp_path: Path) -> None:
    """Both writings are checked, and a sheet that nobody has filled is no gold."""
    for folder in ("reports", "records", "agreement/records"):
        (tmp_path / folder).mkdir(parents=True)
    text = "2016年受理⟦指标|来信⟧⟦数值|3⟧⟦单位|件⟧。"
    head = "value,unit,indicator,qualifier,subject,year,year_value,measure,status,bound"
    lines = {
        "records/x01.csv": "2 3,3 件,1 来信,,,,,level,actual,eq",
        "agreement/records/x01.csv": "2 4,3 件,1 来信,,,,,level,actual,eq",
        "records/x02.csv": "2 3,,,,,,,level,actual,eq",
    }
    paths = [tmp_path / "reports" / f"{name}.txt" for name in ("x01", "x02")]
    for path in paths:
        header = f"---\nid: {path.stem}\ngenre: other\nyear: 2016\n---\n"
        path.write_text(f"{header}{text}\n", encoding="utf-8")
    for name, line in lines.items():
        (tmp_path / name).write_text(f"{head}\n{line}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "scripts/check_corpus.py", "--quiet", *map(str, paths)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert errors == [
        f"error: {tmp_path}/agreement/records/x01.csv:2: value '2 4': span 2 is '3'",
        f"error: {tmp_path}/records/x02.csv: no row has a unit or an indicator; fill the sheet",
    ]
    assert "2 reports" in done.stdout
    assert "2 sheets, 2 rows" in done.stdout


def test_rows_cover_enough(root: Path, corpus: dict[str, list[Report]]) -> None:
    sheets = {path.stem: path for path in (root / "data" / "records").glob("*.csv")}
    rows = {
        split: [read_rows(sheets[r.id], r) for r in reports if r.id in sheets]
        for split, reports in corpus.items()
    }
    assert all(rows.values())
    assert sum(map(len, rows.values())) >= 60
    assert sum(len(records) for part in rows.values() for records in part) >= 1500


def test_report_reads_as_it_is_written(root: Path, tmp_path: Path) -> None:
    path = root / "data" / "reports" / "a01.txt"
    write_tagged(tmp_path / "a01.txt", read_tagged(path))
    assert (tmp_path / "a01.txt").read_bytes() == path.read_bytes()
