"""What Ray costs: the distributed job beside predict.py's own pipeline, in one run.

    python scripts/measure_ray.py [--reports 120] [--part 20] [--actors 1 2] [--json FILE]

The reports are those of the corpus, each a .txt file, repeated as often as needed. Rates are in
characters a second, "per core" a second of processor time. Machines are shared and noisy, so
compare the rows of one run. Needs the scale extra. Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from inference.distributed.cluster import ray_cluster  # noqa: E402
from inference.distributed.job import Job, plan_job, run_job  # noqa: E402
from inference.distributed.parts import FOLDERS  # noqa: E402
from inference.distributed.stores import Store  # noqa: E402
from inference.distributed.worker import Engine  # noqa: E402
from inference.pipeline import predict  # noqa: E402
from inference.run import Run  # noqa: E402
from inference.writers import FORMATS  # noqa: E402
from zhibiao.corpus import read_split  # noqa: E402
from zhibiao.extractor import Extractor  # noqa: E402
from zhibiao.inputs import read_inputs  # noqa: E402
from zhibiao.journal import Journal  # noqa: E402
from zhibiao.reports import Report, write_jsonl  # noqa: E402
from zhibiao.sources import find_sources  # noqa: E402


def make_reports(folder: Path, count: int) -> int:
    """Write so many reports of the corpus as text files; gives their characters."""
    chosen = list(_texts(count))
    folder.mkdir()
    for number, text in enumerate(chosen):
        (folder / f"{number:06d}.txt").write_text(text, encoding="utf-8")
    return sum(map(len, chosen))


def _texts(count: int) -> Iterator[str]:
    splits = ("train", "validation", "test")
    texts = [one.text for split in splits for one in read_split(ROOT / "data", split)]
    return islice(cycle(texts), count)


def make_table(folder: Path, kind: str, count: int) -> dict[str, float]:
    """Write one file with so many reports."""
    folder.mkdir()
    file, texts = folder / f"reports.{kind}", _texts(count)
    if kind == "parquet":
        table = pa.table({"id": [f"r{n}" for n in range(count)], "text": list(texts)})
        pq.write_table(table, file, row_group_size=1000)
    else:
        write_jsonl(file, (Report(f"r{n}", text) for n, text in enumerate(texts)))
    return {}


def planning(folder: Path, kind: str, count: int) -> dict[str, float]:
    """Plan a job over such a file; ``megabytes`` is what the planning adds to the process."""
    before, started = _megabytes("self"), time.perf_counter()
    output = str(folder / "out")
    plan_job(Job((str(folder / f"reports.{kind}"),), output), Store(output), Engine())
    seconds = time.perf_counter() - started
    return {
        "rate": count / seconds,
        "seconds": seconds,
        "megabytes": _megabytes("self") - before,
        "plan bytes a report": (folder / "out/plan.jsonl").stat().st_size / count,
    }


def _bytes_a_report(output: Path, reports: int) -> dict[str, float]:
    """What the results take on the disk."""
    return {
        f"{folder} bytes a report": sum(one.stat().st_size for one in files) / reports
        for folder, files in ((name, (output / name).iterdir()) for name in FOLDERS)
    }


def alone(reports: Path, output: Path, threads: int) -> dict[str, float]:
    """Read, extract, link and write in this process, as predict.py does; times in seconds."""
    started = time.perf_counter()
    extractor = Extractor.from_pretrained(threads=threads)
    extractor.extract("产值1亿元。")
    loaded, used = time.perf_counter(), time.process_time()
    output.mkdir()
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(0, quiet=True))
        run = Run(extractor.info)
        writers = [
            stack.enter_context(FORMATS[name].write(output / FORMATS[name].target, run))
            for name in ("jsonl", "parquet")
        ]
        sources, _ = find_sources([str(reports)])
        for prediction in predict(read_inputs(sources, journal), extractor, journal):
            for write in writers:
                write(prediction)
    return {
        "start": loaded - started,
        "seconds": time.perf_counter() - loaded,
        "cpu": time.process_time() - used,
        "megabytes": _megabytes("self"),
    }


def distributed(reports: Path, output: Path, part: int, actors: int) -> dict[str, float]:
    """The Ray job on a cluster of this machine; times in seconds, memory in megabytes.

    ``start`` is from the job's begin to the first actor at work, ``seconds`` from there to the
    end; ``busy`` is the time that all actors spent in parts, ``cpu`` that of processors in it;
    ``store`` is the most that the object store held at the end of a part.
    """
    import ray

    found = dict.fromkeys(("start", "busy", "cpu", "store", "megabytes"), 0.0)

    def tell(row: Mapping[str, Any], left: int) -> None:
        found["busy"] += row["seconds"]
        found["cpu"] += row["cpu"]
        if not found["start"]:
            found["start"] = time.perf_counter() - started - row["seconds"]
        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        free: Callable[[], dict[str, float]] = ray.available_resources
        name = "object_store_memory"
        found["store"] = max(found["store"], (resources()[name] - free().get(name, 0)) / 2**20)
        found["megabytes"] = max(found["megabytes"], *map(_megabytes, _actors()), 0)

    entered = time.perf_counter()
    with ray_cluster(None):
        started = time.perf_counter()
        job = Job((str(reports),), str(output), reports=part, actors=actors)
        summary = run_job(job, Engine(), tell)
        ended = time.perf_counter()
    if summary.exit_status:
        raise SystemExit(f"{output}: {summary}")
    return {
        **found,
        "seconds": ended - started - found["start"],
        "cluster": started - entered,
        **_bytes_a_report(output, summary.reports),
    }


def _actors() -> list[str]:
    """The numbers of Ray Data's actor processes on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::MapWorker"):
                found.append(path.parent.name)
        except OSError:
            continue  # it has ended
    return found


def _megabytes(process: str) -> float:
    """The most memory a process ever had resident; 0 when it has ended."""
    try:
        status = Path("/proc", process, "status").read_text()
    except OSError:
        return 0.0
    high = re.search(r"VmHWM:\s+(\d+)", status)
    return int(high[1]) / 1024 if high else 0.0


def _apart(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Call a function in a process of its own, which leaves nothing behind for the next."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reports", type=int, default=120)
    parser.add_argument("--part", type=int, default=20, help="reports of a part")
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--planned", type=int, default=20_000, help="reports to plan for")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        characters = make_reports(folder / "reports", options.reports)
        for count in options.actors:
            for kind, call in (
                (f"alone, {count} threads", (alone, count)),
                (f"Ray, {count} actors", (distributed, options.part, count)),
            ):
                function, *more = call
                target = folder / f"out{len(rows)}"
                found = _apart(function, folder / "reports", target, *more)
                rates = {
                    "rate": characters / found["seconds"],
                    "per core": characters / found["cpu"],
                }
                rows[kind] = rates | found
                _show(kind, rows[kind])
        for kind in ("jsonl", "parquet"):
            _apart(make_table, folder / kind, kind, options.planned)
            rows[f"plan, {kind}"] = _apart(planning, folder / kind, kind, options.planned)
            _show(f"plan, {kind}", rows[f"plan, {kind}"])
    for count in options.actors:
        ours, theirs = rows[f"Ray, {count} actors"], rows[f"alone, {count} threads"]
        ratios = ", ".join(f"{name} {ours[name] / theirs[name]:.2f}" for name in rates)
        print(f"Ray / alone at {count}: {ratios}")
    if options.json:
        data = {"reports": options.reports, "characters": characters, "rows": rows}
        options.json.write_text(json.dumps(data, indent=2) + "\n")
    return 0


def _show(kind: str, row: Mapping[str, float]) -> None:
    print(f"{kind}: " + ", ".join(f"{key} {value:,.1f}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
