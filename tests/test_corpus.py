"""The corpus as it is: every file, the splits, the card's figures, the agreement."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from annotation.agreement import agreement, disagreements, read_pairs
from training.dataset import lost_spans
from zhibiao import FormatError, Report, Span, read_jsonl, read_tagged, write_tagged
from zhibiao.corpus import read_split

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
    pairs = read_pairs(folder / "first", folder / "second")
    assert len(pairs) >= 0.15 * sum(map(len, corpus.values()))
    final = {report.id: report for reports in corpus.values() for report in reports}
    assert all(one.text == final[one.id].text for one, _ in pairs)
    # Resolved: the corpus is nearer to both than they are to each other.
    for side in (0, 1):
        resolved = agreement([(pair[side], final[pair[0].id]) for pair in pairs])
        assert resolved.micro.f1 > agreement(pairs).micro.f1
    assert agreement(pairs).micro.f1 > 0.9


def test_disagreements_are_listed(tmp_path: Path) -> None:
    for name, spans in (("first", (Span(0, 2, "指标"),)), ("second", (Span(0, 3, "指标"),))):
        (tmp_path / name).mkdir()
        write_tagged(tmp_path / name / "a.txt", Report("a", "专利数3件", spans))
    ((one, other),) = read_pairs(tmp_path / "first", tmp_path / "second")
    assert list(disagreements(one, other)) == [
        "a:0: first  only: ⟦指标|专利⟧数3件",
        "a:0: second only: ⟦指标|专利数⟧3件",
    ]
    assert agreement([(one, other)]).micro.f1 == 0.0


def test_agreement_needs_the_same_text(tmp_path: Path) -> None:
    for name, text in (("first", "专利3件"), ("second", "专利4件")):
        (tmp_path / name).mkdir()
        write_tagged(tmp_path / name / "a.txt", Report("a", text))
    with pytest.raises(FormatError, match="differs from the first tagging at offset 2"):
        read_pairs(tmp_path / "first", tmp_path / "second")


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


def test_report_reads_as_it_is_written(root: Path, tmp_path: Path) -> None:
    path = root / "data" / "reports" / "a01.txt"
    write_tagged(tmp_path / "a01.txt", read_tagged(path))
    assert (tmp_path / "a01.txt").read_bytes() == path.read_bytes()
