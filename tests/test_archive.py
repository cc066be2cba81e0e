"""predict.py over archives: parts, manifest, resumption, processes that die."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from inference.archive import pool
from inference.archive.folder import ArchiveFolder
from inference.archive.manifest import write_manifest
from inference.archive.plan import Plan
from inference.predict import main
from inference.writers import FORMATS
from tests.archives import Hurting, files, manifest, predictions
from tests.fakes import RegexExtractor
from zhibiao.sources import find_sources

ROOT = Path(__file__).resolve().parent.parent
TEXT = "2016年，青潭县科技局组织专利申请{}件。"
SMALL = ("--part", "4", "--jobs", "1", "--format", "jsonl,csv")


def call(output: Path, *inputs: Path, extractor: Any = None, more: Iterable[str] = SMALL) -> int:
    arguments = [*map(str, inputs), "--output", str(output), *more]
    return main(arguments, extractor or RegexExtractor())


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Eleven documents, one of them broken, and a JSONL of ten lines with every trouble."""
    folder = tmp_path / "报告"
    for number in range(11):
        place = folder / f"{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(TEXT.format(number), encoding="utf-8")
    (folder / "1" / "1.txt").write_bytes(bytes(range(256)) * 8)
    items: list[Any] = [{"id": f"r{number}", "text": TEXT.format(number)} for number in range(8)]
    items.insert(3, {"id": "r0", "text": "again"})
    items.insert(5, {"id": "2/5.txt", "text": TEXT.format(99)})  # the id of a file
    lines = [json.dumps(item) for item in items]
    lines[2:2] = ["", "{broken"]
    (folder / "1" / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_parts_have_the_rows_of_an_ordinary_run(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, parts = tmp_path / "plain", tmp_path / "parts"
    assert call(plain, reports, more=["--format", "jsonl,csv"]) == 1
    told = sorted(line for line in capsys.readouterr().err.splitlines() if "失败：" in line)
    assert call(parts, reports, more=["--part", "4", "--jobs", "2", "--format", "jsonl,csv"]) == 1
    shown = capsys.readouterr()
    assert sorted(line for line in shown.err.splitlines() if "失败：" in line) == told
    assert len(told) == 3
    assert re.search(r"失败\D+3\s", shown.out)
    assert "第 6 部分做完" in shown.err
    found = predictions(parts)
    assert found == predictions(plain)
    assert [len(predictions(folder)) for folder in sorted((parts / "parts").iterdir())] == [
        4, 3, 3, 3, 4, 2,
    ]  # fmt: skip
    rows = manifest(parts)
    assert list(rows[0]) == [
        "id", "source", "part", "status", "reason", "characters", "spans", "records",
    ]  # fmt: skip
    read = [row for row in rows if row["status"] == "ok"]
    assert [(row["id"], row["source"]) for row in read] == [(p["id"], p["source"]) for p in found]
    assert [int(row["records"]) for row in read] == [len(item["records"]) for item in found]
    assert [int(row["spans"]) for row in read] == [len(item["spans"]) for item in found]
    failed = [row for row in rows if row["status"] != "ok"]
    assert [row["id"] for row in failed] == ["1/1.txt", "1/a.jsonl:4", "1/a.jsonl:6"]
    assert all(f"失败：{row['reason']}" in told for row in failed)
    assert len({row["id"] for row in rows}) == len(rows) == 22
    page = (parts / "index.html").read_text(encoding="utf-8")
    assert all(f"parts/0000{number}/records.csv" in page for number in range(1, 7))
    assert sorted(path.name for path in parts.iterdir()) == [
        ".lock", "index.html", "manifest.csv", "parts", "plan.jsonl",
    ]  # fmt: skip


def test_what_is_not_made_yet_is_pending(reports: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    call(output, reports)
    shutil.rmtree(output / "parts" / "00002")
    folder = ArchiveFolder(output)
    sources, _ = find_sources([str(reports)])
    totals = write_manifest(folder, Plan.read(folder.plan), [FORMATS["csv"]], sources)
    assert (totals.pending, totals.reports) == (4, 16)
    pending = [row["id"] for row in manifest(output) if row["status"] == "pending"]
    assert pending == ["1/1.txt", "1/10.txt", "1/4.txt", "1/7.txt"]
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "parts/00002" not in page
    assert "还没有做" in page


def test_all_formats_and_the_real_extractor(
    reports: Path, tmp_path: Path, tiny_model: Path
) -> None:
    outputs = [tmp_path / "one", tmp_path / "two"]
    for output, jobs in zip(outputs, ("1", "2"), strict=True):
        more = ["--part", "9", "--jobs", jobs, "--model", str(tiny_model), "--quiet"]
        more += ["--format", "xlsx,csv,html,jsonl,parquet"]
        arguments = [str(reports), "--output", str(output), *more]
        assert main(arguments) == 1
    # Not even the clock, or who did it, shows in the results.
    assert files(outputs[0]) == files(outputs[1])
    assert {"parts/00001/records.xlsx", "parts/00001/html/index.html"} <= files(outputs[0]).keys()


def start(reports: Path, output: Path, harm: str = "slow", more: Iterable[str] = SMALL) -> Any:
    program = textwrap.dedent(
        """
        import signal, sys
        import inference.archive.watch as watch
        from inference.predict import main
        from tests.archives import Hurting
        if __name__ == "__main__":
            watch._SCAN_SECONDS, watch._QUIET_SECONDS = 0.1, 0.5
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            sys.exit(main(sys.argv[2:], Hurting(sys.argv[1], at="2016")))
        """
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, harm, str(reports), "--output", str(output), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        start_new_session=True,
    )


def wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def test_killed_at_random_moments(reports: Path, tmp_path: Path) -> None:
    for number in range(60):
        (reports / "0" / f"more{number}.txt").write_text(TEXT.format(number), encoding="utf-8")
    plain, killed = tmp_path / "plain", tmp_path / "killed"
    more = ["--part", "6", "--jobs", "2", "--format", "jsonl,csv,xlsx"]
    call(plain, reports, more=more, extractor=Hurting("slow"))
    chance = random.Random(8)
    for moment in range(6):
        process = start(reports, killed, more=more)
        done = len(list(killed.glob("parts/*")))
        if moment % 2:  # as soon as it has made a part more
            wait_for(killed / "parts" / f"{done + 2:05d}")
        time.sleep(chance.uniform(0, 0.2))
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = start(reports, killed, more=more)
    _, errors = last.communicate(timeout=120)
    assert last.returncode == 1, errors.decode()
    assert files(killed) == files(plain)
    ids = [row["id"] for row in manifest(killed)]
    assert len(ids) == len(set(ids)) == 82


def test_a_finished_part_is_not_made_again(reports: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    call(output, reports)
    # Not the inode: a file system may give the one of a deleted part to its successor.
    before = list((output / "parts").rglob("*.jsonl"))
    for path in before:
        os.utime(path, (1, 1))
    shutil.rmtree(output / "parts" / "00002")
    (output / "parts" / "00003" / "status.jsonl").write_text("")
    call(output, reports)
    kept = {path.parent.name for path in before if path.stat().st_mtime == 1}
    assert kept == {"00001", "00004", "00005", "00006"}
    assert len(predictions(output)) == 19


def test_a_process_that_dies_once(reports: Path, tmp_path: Path) -> None:
    plain, output = tmp_path / "plain", tmp_path / "out"
    call(plain, reports)
    assert call(output, reports, extractor=Hurting("kill", "申请5件", tmp_path / "done")) == 1
    assert (tmp_path / "done").exists()
    assert files(output) == files(plain)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [("kill", "SIGKILL"), ("no such luck", "RuntimeError：no such luck"), ("hang", "没有进展")],
)
def test_a_report_that_kills(
    harm: str,
    reason: str,
    reports: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if harm == "hang":
        monkeypatch.setattr(pool, "_STALL_SECONDS", 1.5)
    (reports / "0" / "3.txt").write_text("2016年，毒。产值12万元。", encoding="utf-8")
    with (reports / "1" / "a.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"id": "坏", "text": "毒"}\n{"id": "好", "text": "产值3万元。"}\n')
    output = tmp_path / "out"
    assert call(output, reports, extractor=Hurting(harm)) == 1
    rows = manifest(output)
    failed = {row["id"]: row["reason"] for row in rows if row["status"] == "failed"}
    assert set(failed) == {"0/3.txt", "1/1.txt", "1/a.jsonl:4", "1/a.jsonl:6", "1/a.jsonl:13"}
    for name in ("0/3.txt", "1/a.jsonl:13"):
        assert reason in failed[name]
        assert "跳过" in failed[name]
    assert len({row["id"] for row in rows}) == len(rows) == 24
    found = {item["id"] for item in predictions(output)}
    assert found == {row["id"] for row in rows if row["status"] == "ok"}
    assert "好" in found
    assert capsys.readouterr().err.count("跳过") == 2


def test_full_disk_stops_and_can_be_resumed(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, output = tmp_path / "plain", tmp_path / "out"
    call(plain, reports)
    capsys.readouterr()
    assert (
        call(output, reports, extractor=Hurting("full disk", "申请4件"), more=[*SMALL, "--quiet"])
        == 2
    )
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "错误" in line]
    assert "No space left" in error
    assert "空间" in error
    assert not (output / ".work").exists()
    assert call(output, reports) == 1
    assert files(output) == files(plain)


def test_new_changed_and_vanished_files(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    call(output, reports)
    before = files(output)
    (reports / "0" / "3.txt").write_text("产值77万元，有改动。", encoding="utf-8")
    (reports / "2" / "8.txt").unlink()
    (reports / "0" / "0a.txt").write_text("产值1万元。", encoding="utf-8")
    with (reports / "1" / "a.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"id": "r1", "text": "again"}\n{"id": "0/0a.txt", "text": "后来的"}\n')
    capsys.readouterr()
    assert call(output, reports) == 1
    shown = capsys.readouterr().err
    assert "3.txt：文件改过" in shown
    after = files(output)
    changed = {name.split("/")[1] for name in before if "/" in name and before[name] != after[name]}
    assert changed == {"00001"}  # the lines of the JSONL that were there are as they were
    rows = {row["id"]: row for row in manifest(output)}
    assert "来源文件已不在" in rows["2/8.txt"]["reason"]
    assert rows["2/8.txt"]["status"] == "ok"
    assert rows["0/3.txt"]["characters"] == "11"
    assert rows["0/0a.txt"]["part"] == rows["1/a.jsonl:13"]["part"] == "00007"
    assert "r1" in rows["1/a.jsonl:13"]["reason"]
    texts = {item["id"]: item["text"] for item in predictions(output)}
    assert texts["0/0a.txt"], texts["1/a.jsonl#0/0a.txt"] == ("产值1万元。", "后来的")
    assert len(texts) == len(predictions(output)) == 21
    assert call(output, reports) == 1
    assert files(output) == after


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--part", "5", "--format", "jsonl,csv"], "--part 原来是 4，现在是 5"),
        (["--format", "jsonl"], "--format 原来是 jsonl,csv，现在是 jsonl"),
        (["--format", "jsonl,csv", "--no-records"], "--records"),
        (["--format", "jsonl,csv", "--keep-boilerplate"], "--keep-boilerplate"),
    ],
)
def test_other_options_are_refused(
    more: list[str], word: str, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    empty = reports.parent / "one"
    empty.mkdir()
    (empty / "a.txt").write_text("产值1万元。", encoding="utf-8")
    assert call(output, empty) == 0
    before = files(output)
    capsys.readouterr()
    assert call(output, empty, more=more) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1
    assert files(output) == before


def test_refusals(reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    (output / "parts").mkdir(parents=True)
    (output / "parts" / "mine.txt").touch()
    assert call(output, reports) == 2
    assert "parts" in capsys.readouterr().err
    shutil.rmtree(output)
    output.mkdir()
    with FileLock(output / ".lock"):
        assert call(output, reports) == 2
    assert "另一个程序" in capsys.readouterr().err
    (output / "plan.jsonl").write_text("[]\n")
    assert call(output, reports) == 2
    assert "plan.jsonl" in capsys.readouterr().err
    assert call(tmp_path / "new", Path("-")) == 2
    assert "标准输入" in capsys.readouterr().err
    assert call(tmp_path / "new", tmp_path / "gone") == 2
    assert "gone" in capsys.readouterr().err
    assert call(tmp_path / "new", tmp_path / "gone", more=["--watch"]) == 2
    assert "gone" in capsys.readouterr().err
    arguments = [str(reports), "--output", str(tmp_path / "new"), "--jobs", "1"]
    assert main([*arguments, "--model", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_many_reports_become_an_archive_unasked(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["--format", "jsonl", "--quiet", "--threads", "1"]
    monkeypatch.setattr("inference.archive.process._ARCHIVE_REPORTS", 23)
    call(tmp_path / "plain", reports, more=more)
    assert not (tmp_path / "plain" / "parts").exists()
    monkeypatch.setattr("inference.archive.process._ARCHIVE_REPORTS", 22)
    call(tmp_path / "out", reports, more=more)
    assert predictions(tmp_path / "out") == predictions(tmp_path / "plain")
    # What was begun as an archive goes on as one, and its own outputs are no input.
    monkeypatch.setattr("inference.archive.process._ARCHIVE_REPORTS", 1000)
    for _ in range(2):
        call(reports / "out", reports, more=[*more, "--part", "9"])
        call(reports / "out", reports, more=more)
        assert predictions(reports / "out") == predictions(tmp_path / "plain")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(reports: Path, tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "out"
    process = start(reports, output, "hang")
    wait_for(output / "plan.jsonl")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "接着做" in errors.decode()
    assert "Traceback" not in errors.decode(), errors.decode()
    assert not (output / ".work").exists()


def test_watch(tmp_path: Path) -> None:
    reports, output = tmp_path / "in", tmp_path / "out"
    reports.mkdir()
    process = start(reports, output, more=[*SMALL, "--watch"])
    try:
        wait_for(output / "manifest.csv")
        for number in range(5):
            (reports / f"{number}.txt").write_text(TEXT.format(number), encoding="utf-8")
        wait_for(output / "parts" / "00002")
        with (reports / "5.txt").open("w", encoding="utf-8") as growing:
            for _ in range(10):
                growing.write("2016年，产值1万元。")
                growing.flush()
                time.sleep(0.05)
        wait_for(output / "parts" / "00003")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    rows = manifest(output)
    assert [row["id"] for row in rows] == [f"{number}.txt" for number in range(6)]
    assert {row["status"] for row in rows} == {"ok"}
    assert rows[5]["characters"] == str(len("2016年，产值1万元。") * 10)
