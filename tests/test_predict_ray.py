"""predict_ray.py: the same rows as predict.py, whatever happens on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inference import predict
from inference.distributed.cluster import ray_cluster
from inference.distributed.cutting import cut_parts
from inference.distributed.job import Job, plan_job, run_job
from inference.distributed.parts import committed_parts, read_manifest
from inference.distributed.pieces import find_pieces
from inference.distributed.plan import Plan
from inference.distributed.reading import Failures, read_piece
from inference.distributed.stores import Store
from inference.distributed.summary import JobSummary
from inference.distributed.verify import main as verify
from inference.distributed.worker import Engine, PartWorker
from inference.predict_ray import main, parse_arguments
from tests.documents import docx_bytes
from tests.fakes import RegexExtractor
from zhibiao.errors import OutputError, ReadError
from zhibiao.inputs import read_inputs
from zhibiao.sources import find_sources
from zhibiao.spans import Span

# Ray and Ray Data warn about themselves, and leave sockets for the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

STORE_BYTES = 100 * 2**20
TEXT = "2016年，青潭县科技局组织专利申请{}件。\n\n  到位项目资金{}万元。"


class Moody(RegexExtractor):
    """Does what some words in a text say; ``folder`` is where it and the test meet."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def extract(self, text: str) -> list[Span]:
        if "闸门" in text:
            self._wait()
        if "崩溃" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "不停" in text:
            threading.Event().wait()
        if "出错" in text:
            raise RuntimeError("bad shape")
        return super().extract(text)

    def _wait(self) -> None:
        import ray

        here = self.folder / "here"
        if not here.exists():
            # Half a file would be read as a whole one.
            half = self.folder / "half"
            half.write_text(f"{ray.get_runtime_context().get_node_id()} {os.getpid()}")
            half.rename(here)
        while not (self.folder / "open").exists():
            time.sleep(0.05)


@dataclass(frozen=True)
class MoodyEngine(Engine):
    """Loads a :class:`Moody`; ``model`` is its folder."""

    def info(self) -> Mapping[str, Any]:
        return RegexExtractor().info

    def load(self) -> Moody:
        return Moody(Path(str(self.model)))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without cores and two machines with one each, all on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE"] = "1"
    from ray.cluster_utils import Cluster

    found = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            # A machine that is gone is missed after 5 seconds instead of 15.
            "_system_config": {"health_check_period_ms": 1000},
        },
    )
    try:
        for _ in range(2):
            found.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        yield found
    finally:
        found.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Documents and report JSONL of all sorts, some broken, ids used more than once."""
    folder = tmp_path / "reports"
    (folder / "2016").mkdir(parents=True)
    for number in range(9):
        text = TEXT.format(number + 1, number + 20)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
        (folder / "2016" / f"{number}.txt").write_text(text, encoding="gb18030")
    (folder / "表.docx").write_bytes(docx_bytes(lambda new: new.add_paragraph("产值5亿元")))
    (folder / "坏.docx").write_bytes(b"PK\x03\x04 half")
    for name in ("a", "b"):
        lines = [_line(f"{name}{n}", TEXT.format(n, n)) for n in range(5)]
        lines[3:3] = ["", "{", _line("0.txt", "产值1亿元"), _line(f"{name}1", "产值2亿元")]
        lines.append(_line("shared", f"{name}产值3亿元"))
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _line(identity: str, text: str) -> str:
    return json.dumps({"id": identity, "text": text}, ensure_ascii=False)


def quiet(row: Mapping[str, Any], left: int) -> None:
    """Nobody listens."""


def do_parts(output: str, folder: str, patience: float = 600) -> list[str]:
    """Do all parts in this process; also runs in one of its own that a report may end."""
    plan = Plan.find(Store(output))
    assert plan is not None
    engine = MoodyEngine(folder)
    worker = PartWorker(engine, plan, records=True, keep_boilerplate=False, patience=patience)
    return [str(worker.work(place)["error"]) for place in plan.parts]


def rows(folder: str | Path, pattern: str) -> list[str]:
    """The rows of all files of a pattern as JSON, sorted."""
    found: list[Any] = []
    for path in Path(folder).glob(pattern):
        if path.suffix == ".parquet":
            found += pq.read_table(path).to_pylist()
        else:
            found += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return sorted(json.dumps(row, sort_keys=True) for row in found)


def assert_same_as_predict(
    output: Path, inputs: Path, capsys: pytest.CaptureFixture[str], extractor: Any = None
) -> None:
    expected = output.with_name("expected")
    capsys.readouterr()
    predict.main([str(inputs), "--output", str(expected), "--format", "jsonl,parquet"], extractor)
    told = {
        line.removeprefix("失败：")
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("失败：")
    }
    assert rows(output, "predictions/*") == rows(expected, "predictions.jsonl")
    assert rows(output, "records/*") == rows(expected, "records.parquet")
    failures = (output / "failures.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["message"] for line in failures} == told
    assert verify([str(output)]) == 0


def test_a_machine_dies_in_the_middle(
    cluster: Any, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, output = tmp_path / "gate", tmp_path / "out"
    gate.mkdir()
    (reports / "6.txt").write_text("闸门" + TEXT.format(1, 2), encoding="utf-8")

    def kill() -> None:
        while not (gate / "here").exists():
            time.sleep(0.1)
        machine, process = (gate / "here").read_text().split()
        os.kill(int(process), signal.SIGKILL)
        (node,) = (one for one in cluster.worker_nodes if one.node_id == machine)
        cluster.remove_node(node, allow_graceful=False)
        (gate / "open").touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    told: list[int] = []
    job = Job((str(reports),), str(output), reports=4, actors=2)
    with ray_cluster(cluster.address):
        summary = run_job(job, MoodyEngine(str(gate)), lambda row, left: told.append(row["part"]))
    killer.join()
    cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    assert sorted(told) == list(range(summary.parts))
    assert (summary.parts, summary.missing, summary.errors) == (10, (), {})
    assert_same_as_predict(output, reports, capsys, RegexExtractor())
    assert not list((output / "attempts").iterdir())


def test_the_program_on_a_cluster(
    cluster: Any, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    arguments = [str(root / "data/samples"), "--output", str(output), "--part", "2"]
    arguments += ["--address", cluster.address]
    assert main(arguments) == 0
    assert "3 部分，6 份报告" in capsys.readouterr().out
    assert_same_as_predict(output, root / "data/samples", capsys)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    # As a run leaves it that was killed: a part half-written, another not begun.
    (output / "manifests/part-000001.json").unlink()
    (output / "predictions/part-000001.jsonl").write_text("{")
    (output / "predictions/.part-000001.jsonl.x1y2").write_text("{")
    for path in output.glob("*/part-000002.*"):
        path.unlink()
    assert verify([str(output)]) == 1
    assert main([*arguments, "--quiet"]) == 0
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


def test_parts_read_as_the_whole_does(reports: Path) -> None:
    sources, unmatched = find_sources([str(reports)])
    whole = Failures()
    expected = [(one.id, one.source, one.text) for one in read_inputs(sources, whole)]
    files, unmatched_too = find_pieces([str(reports)], "out")
    assert unmatched == unmatched_too == []
    for size in (1, 4, 100):
        parts = list(cut_parts(files, size))
        assert all(sum(piece.reports for piece in part) <= size for part in parts)
        pieces, failures = [piece for part in parts for piece in part], Failures()
        found = [
            (one.id, one.source, one.text)
            for piece in pieces
            for one in read_piece(piece, failures, keep_boilerplate=False)
        ]
        assert found == expected
        assert failures.entries == whole.entries
    ids = [identity for identity, _, _ in expected]
    assert len(ids) == len(set(ids))
    assert {"b.jsonl#shared", "b.jsonl#0.txt"} <= set(ids)


def _tables(folder: Path) -> None:
    ids = [f"r{n}" for n in range(10)]
    ids[4] = "r1"
    texts: list[str | None] = [TEXT.format(n, n) for n in range(10)]
    texts[7] = None
    for name in ("a", "b"):
        table = pa.table({"id": ids, "year": [2016] * 10, "text": texts})
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=3)


def test_parquet_reads_as_report_jsonl_does(tmp_path: Path) -> None:
    _tables(tmp_path)
    files, unmatched = find_pieces([str(tmp_path)], "out")
    assert unmatched == []
    failures = Failures()
    found = [
        (one.id, one.source)
        for part in cut_parts(files, 4)
        for piece in part
        for one in read_piece(piece, failures, keep_boilerplate=False)
    ]
    names = {row: f"r{row - 1}" for row in (1, 2, 3, 4, 6, 7, 9, 10)}
    assert [source.rpartition("/")[2] for _, source in found] == [
        f"{name}.parquet:{row}" for name in ("a", "b") for row in names
    ]
    assert [identity for identity, _ in found] == [
        *names.values(),
        *(f"b.parquet#{name}" for name in names.values()),
    ]
    said = [message for _, message in failures.entries]
    assert [line.rpartition("/")[2].partition("：")[0].partition(": ")[0] for line in said] == [
        f"{name}.parquet:{row}" for name in ("a", "b") for row in (5, 8)
    ]
    assert "id 'r1' 已在第 2 行用过" in said[0]


def test_object_store_in_and_out(reports: Path, tmp_path: Path) -> None:
    _tables(reports)
    remote = fsspec.filesystem("memory")
    remote.put(str(reports), "/bucket/in", recursive=True)
    here, there = str(tmp_path / "out"), "memory://bucket/out"
    for source, output in ((str(reports), here), ("memory://bucket/in", there)):
        plan_job(Job((source,), output, reports=4), Store(output), MoodyEngine("."))
        assert set(do_parts(output, ".")) == {""}
    remote.get("/bucket/out", str(tmp_path / "copy"), recursive=True)
    assert verify([there]) == 0

    def without_source(lines: list[str]) -> list[str]:
        return sorted(json.dumps({**json.loads(line), "source": ""}) for line in lines)

    for pattern in ("predictions/*", "records/*"):
        local = without_source(rows(here, pattern))
        assert local == without_source(rows(tmp_path / "copy", pattern))
        assert local
    temporary = str(Path(tmp_path).parent)
    manifests = rows(tmp_path / "copy", "manifests/*")
    assert sum(len(json.loads(one)["failures"]) for one in manifests) == 9
    assert not any("zhibiao-" in one or temporary in one for one in manifests)


@pytest.fixture
def poisoned(tmp_path: Path) -> str:
    """An output folder with the plan of one part: a report that kills among harmless ones."""
    folder, output = tmp_path / "in", str(tmp_path / "out")
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(TEXT.format(number, number), encoding="utf-8")
    (folder / "a.jsonl").write_text(_line("x", "产值1亿元") + "\n" + _line("y", "崩溃"))
    (folder / "出错.txt").write_text("出错", encoding="utf-8")
    plan_job(Job((str(folder),), output), Store(output), MoodyEngine("."))
    return output


def _exit_code(output: str, patience: float = 600) -> int | None:
    process = multiprocessing.get_context("spawn").Process(
        target=do_parts, args=(output, ".", patience)
    )
    process.start()
    process.join()
    return process.exitcode


def test_a_report_that_kills_its_process_is_set_aside(poisoned: str) -> None:
    # At full speed; then report by report, noting which; and once more, to be sure.
    assert [_exit_code(poisoned) for _ in range(3)] == [-signal.SIGKILL] * 3
    assert do_parts(poisoned, ".") == [""]
    manifest = read_manifest(Store(poisoned), 0)
    assert manifest is not None
    assert manifest["reports"] == 4
    crash, error = manifest["failures"]
    assert crash["source"].endswith("a.jsonl:2")
    assert "已隔离" in crash["message"]
    assert error["source"].endswith("出错.txt")
    assert "RuntimeError：bad shape" in error["message"]
    assert not list(Path(poisoned, "attempts").iterdir())
    assert verify([poisoned]) == 0


def test_a_report_that_never_ends_ends_its_process(tmp_path: Path) -> None:
    (tmp_path / "长.txt").write_text("不停", encoding="utf-8")
    output = str(tmp_path / "out")
    plan_job(Job((str(tmp_path),), output), Store(output), MoodyEngine("."))
    assert [_exit_code(output, patience=0.5) for _ in range(3)] == [1] * 3
    assert committed_parts(Store(output)) == set()
    assert do_parts(output, ".", patience=0.5) == [""]
    (failure,) = rows(output, "manifests/*")
    assert "超过 0.5 秒" in json.loads(failure)["failures"][0]["message"]


def test_a_file_that_changes_after_the_plan(reports: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    plan = plan_job(Job((str(reports),), output), Store(output), MoodyEngine("."))
    (reports / "0.txt").write_text("变了", encoding="utf-8")
    (reports / "1.txt").unlink()
    assert do_parts(output, ".") == [""]
    manifest = read_manifest(Store(output), plan.parts[0].part)
    assert manifest is not None
    said = {Path(one["source"]).name: one["message"] for one in manifest["failures"]}
    assert "文件变了" in said["0.txt"]
    assert "1.txt" in said["1.txt"]


def test_results_that_cannot_be_written(poisoned: str) -> None:
    Path(poisoned, "a.jsonl").parent.joinpath("attempts").mkdir()
    Path(poisoned, "manifests").write_text("not a folder")
    (error,) = do_parts(poisoned, ".")
    assert error.startswith(f"{poisoned}/manifests/part-000000.json：读写失败")


def test_verify_finds_what_is_wrong(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    plan_job(Job((str(reports),), str(output), reports=10), Store(str(output)), MoodyEngine("."))
    do_parts(str(output), ".")
    assert verify([str(output)]) == 0
    with (output / "predictions/part-000000.jsonl").open("ab") as stream:
        stream.write(b"{}\n")
    (output / "records/part-000001.parquet").unlink()
    (output / "manifests/part-000002.json").unlink()
    capsys.readouterr()
    assert verify([str(output)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "predictions/part-000000.jsonl：内容和写出时不同",
        "records/part-000001.parquet：没有这个文件",
        "第 2 部分没有完成",
        "predictions/part-000002.jsonl：不属于任何一部分",
        "records/part-000002.parquet：不属于任何一部分",
        "5 处不符",
    ]
    assert verify([str(reports)]) == 2


def test_another_job_in_the_same_folder_is_refused(reports: Path, tmp_path: Path) -> None:
    job, store = Job((str(reports),), str(tmp_path / "out")), Store(str(tmp_path / "out"))
    plan = plan_job(job, store, MoodyEngine("."))
    (reports / "new.txt").write_text("产值1亿元", encoding="utf-8")
    assert plan_job(job, store, MoodyEngine(".")) == plan
    for other, named in (
        (replace(job, records=False), "records"),
        (replace(job, reports=7), "reports"),
        (replace(job, inputs=(str(tmp_path),)), "inputs"),
    ):
        with pytest.raises(OutputError, match=f"{named} 不同"):
            plan_job(other, store, MoodyEngine("."))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (["-"], "标准输入"),
        (["here", "s3://there"], "不能混在"),
        (["missing"], "文件或文件夹不存在"),
        (["memory://nothing/here"], "没有可读的文件"),
        (["nosuch://bucket/x"], "打不开"),
    ],
)
def test_inputs_that_cannot_be_used(inputs: list[str], said: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    with pytest.raises(ReadError, match=said) as caught:
        plan_job(Job(tuple(inputs), output), Store(output), MoodyEngine("."))
    assert "\n" not in str(caught.value)
    assert not Path(output).exists()


def test_no_cluster_at_the_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["in", "--output", str(tmp_path / "out"), "--address", address]) == 2
    assert capsys.readouterr().err.startswith(f"错误：{address}：连不上 Ray 集群")


def test_arguments() -> None:
    options = parse_arguments(["in", "--output", "out", "--gpus", "0.25", "--threads", "2"])
    assert options.job == Job(("in",), "out", cpus=2, gpus=0.25)
    assert options.engine == Engine(None, "torch", "cuda", 2)
    plain = parse_arguments(["in", "--output", "out"])
    assert plain.job == Job(("in",), "out")
    assert plain.engine == Engine()


@pytest.mark.parametrize(
    "more", [["--part", "0"], ["--gpus", "-1"], ["--gpus", "1.5"], ["--gpus", "x"], ["--actors"]]
)
def test_wrong_arguments(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["in", "--output", "out", *more])
    assert caught.value.code == 2
    assert more[0] in capsys.readouterr().err


def test_exit_status() -> None:
    fine = JobSummary(1, 9, 9, 9, 9, failures=0, missing=(), errors={})
    assert fine.exit_status == 0
    assert replace(fine, failures=1).exit_status == 1
    assert replace(fine, missing=(0,)).exit_status == 1
