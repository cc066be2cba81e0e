"""Memory of predict.py over an archive, and what ten times ``kill -9`` do to its results.

    python scripts/measure_archive.py [--reports 10000] [--kills 10] [--seed N]

Makes an archive from the corpus (txt, docx and html files, and a report JSONL, of one to four
hundred characters), works it off undisturbed, then again into another folder with all processes
killed at random moments and the same command run again each time, and compares every byte of the
results. Memory is the sum of the proportional set sizes (PSS) of all processes. Linux only.

Prints one JSON object. Exit status: 0 as wanted, 1 results differ, are lost or doubled.
"""

from __future__ import annotations

import argparse
import csv
import filecmp
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docx import Document  # noqa: E402

from zhibiao.corpus import read_reports  # noqa: E402

_SAMPLE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure; ``folder`` None means a temporary one."""

    reports: int = 10_000
    part: int = 500
    kills: int = 10
    jobs: int = 2
    seed: int = 0
    folder: Path | None = None


def parse_arguments(argv: Sequence[str] | None = None) -> Options:
    """Turn command-line arguments into options."""
    parser = argparse.ArgumentParser(
        prog="python scripts/measure_archive.py",
        description="Memory of predict.py over an archive, and its results after kill -9.",
    )
    parser.add_argument("--reports", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--part", type=int, default=500, help="reports of a part (default 500)")
    parser.add_argument("--kills", type=int, default=10, help="how often (default 10)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seed", type=int, help="of the random moments (default: the time)")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in and keep")
    found = parser.parse_args(argv)
    seed = int(time.time()) if found.seed is None else found.seed
    return Options(found.reports, found.part, found.kills, found.jobs, seed, found.folder)


def make_archive(folder: Path, count: int) -> None:
    """Write ``count`` reports: four fifths as files in folders of 500, the rest as JSONL."""
    texts = [report.text for report in read_reports(f"{ROOT / 'data'}:train")]
    chance = random.Random(0)
    folder.mkdir(parents=True)
    with (folder / "更多.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(count):
            text = texts[number % len(texts)]
            start = chance.randrange(max(1, len(text) - 400))
            piece = text[start : start + chance.randint(100, 400)]
            place = folder / f"批次{number // 500 + 1:03d}"
            place.mkdir(exist_ok=True)
            kind = number % 10
            if kind < 5:
                (place / f"报告{number:06d}.txt").write_text(piece, encoding="utf-8")
            elif kind == 5:
                document = Document()
                for paragraph in piece.split("\n"):
                    document.add_paragraph(paragraph)
                document.save(str(place / f"报告{number:06d}.docx"))
            elif kind < 8:
                body = "".join(f"<p>{escape(line)}</p>" for line in piece.split("\n"))
                page = f"<html><meta charset=utf-8><body>{body}</body></html>"
                (place / f"报告{number:06d}.html").write_text(page, encoding="utf-8")
            else:
                item = {"id": f"报告{number:06d}", "text": piece}
                lines.write(json.dumps(item, ensure_ascii=False) + "\n")


def run(options: Options) -> dict[str, Any]:
    """Make, measure, kill, compare; the figures by name."""
    with tempfile.TemporaryDirectory(prefix="zhibiao-archive-") as temporary:
        folder = options.folder or Path(temporary)
        make_archive(folder / "reports", options.reports)
        plain, killed = folder / "undisturbed", folder / "killed"
        started = time.perf_counter()
        process = _start(folder / "reports", plain, options)
        peak, parent = _watch_memory(process)
        seconds = time.perf_counter() - started
        chance = random.Random(options.seed)
        moments: list[float] = []
        while len(moments) < options.kills:
            process = _start(folder / "reports", killed, options)
            moment = chance.uniform(0.1, 1.5) * seconds * 0.6 / options.kills
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                moments.append(round(moment, 2))
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            else:
                break  # it ended before: there is nothing left to kill
        resumed = _start(folder / "reports", killed, options).wait()
        with (plain / "manifest.csv").open(encoding="utf-8-sig", newline="") as stream:
            ids = [row["id"] for row in csv.DictReader(stream)]
        return {
            "reports": options.reports,
            "parts": len(list((plain / "parts").iterdir())),
            "jobs": options.jobs,
            "seconds": round(seconds, 1),
            "reports_a_second": round(options.reports / seconds, 2),
            "peak_megabytes": round(peak, 1),
            "peak_megabytes_of_the_first_process": round(parent, 1),
            "seed": options.seed,
            "kills_after_seconds": moments,
            "status_of_the_last_run": resumed,
            "files_compared": len(_files(plain)),
            "files_that_differ": compare(plain, killed),
            "reports_lost": options.reports - len(set(ids)),
            "reports_doubled": len(ids) - len(set(ids)),
        }


def compare(first: Path, second: Path) -> list[str]:
    """The files that are not in both folders with the same bytes."""
    names = _files(first)
    _, different, missing = filecmp.cmpfiles(first, second, sorted(names), shallow=False)
    return [*different, *missing, *sorted(_files(second) - names)]


def _files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if path.name != ".lock"}


def _start(reports: Path, output: Path, options: Options) -> subprocess.Popen[bytes]:
    arguments = [str(reports), "--output", str(output), "--quiet"]
    arguments += ["--part", str(options.part), "--jobs", str(options.jobs)]
    command = [sys.executable, "-m", "inference.predict", *arguments]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def _watch_memory(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait for the process; the peaks, in MB, of its whole session and of itself alone."""
    peak = alone = 0.0
    while process.poll() is None:
        sizes = {pid: _pss(pid) for pid in _session(process.pid)}
        peak = max(peak, sum(sizes.values()))
        alone = max(alone, sizes.get(process.pid, 0.0))
        time.sleep(_SAMPLE_SECONDS)
    return peak, alone


def _session(leader: int) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if os.getsid(int(path.name)) == leader:
                    found.append(int(path.name))
            except ProcessLookupError:
                pass  # it has just ended
    return found


def _pss(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # it has just ended
    return 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse_arguments(argv)
    found = run(options)
    print(json.dumps(found, ensure_ascii=False, indent=2))
    wanted = (
        not found["files_that_differ"]
        and not found["reports_lost"]
        and not found["reports_doubled"]
        and len(found["kills_after_seconds"]) == options.kills
    )
    return 0 if wanted else 1


if __name__ == "__main__":
    sys.exit(main())
