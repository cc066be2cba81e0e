"""predict.py from its arguments to its exit status."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from inference.predict import Options, main, parse_arguments, run
from tests.fakes import RegexExtractor
from zhibiao.errors import ModelError, OutputError, ReadError
from zhibiao.linking import link_records
from zhibiao.records import Record
from zhibiao.spans import Span

ROOT = Path(__file__).resolve().parent.parent
TEXT = "2016年，青潭县科技局组织专利申请127件。\n\n  到位项目资金386万元。"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "2016").mkdir(parents=True)
    (folder / "总结.txt").write_text(TEXT, encoding="utf-8")
    (folder / "2016" / "总结.txt").write_text(TEXT, encoding="gb18030")
    (folder / "2016" / "总结.md").write_text(TEXT, encoding="utf-8")
    (folder / ".hidden.txt").write_text(TEXT, encoding="utf-8")
    (folder / "~$总结.docx").write_bytes(b"lock")
    (folder / "notes.xyz").write_text("?", encoding="utf-8")
    return folder


def predictions(output: Path) -> list[dict[str, Any]]:
    lines = (output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def call(output: Path, *inputs: str | Path, extractor: Any = None, more: Iterable[str] = ()) -> int:
    arguments = [*map(str, inputs), "--output", str(output), *more]
    return main(arguments, extractor or RegexExtractor())


def test_folder_gives_all_outputs(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "out"
    assert call(output, reports) == 0
    found = predictions(output)
    assert [item["id"] for item in found] == ["总结.txt", "2016/总结.md", "2016/总结.txt"]
    for item in found:
        assert item["text"] == TEXT
        assert [row["value"]["text"] for row in item["records"]] == ["127", "386"]
        for row in item["records"]:
            assert row["id"] == item["id"]
            value = row["value"]
            assert value["text"] == TEXT[value["start"] : value["end"]]
        assert item["model"] == {"name": "regex", "version": "1", "hash": "0"}
        assert list(item) == ["id", "source", "text", "spans", "records", "model"]
        for span in item["spans"]:
            assert span["text"] == TEXT[span["start"] : span["end"]]
            assert span["score"] == 0.9877
    assert sorted(path.name for path in output.iterdir()) == [
        "html",
        "predictions.jsonl",
        "records.csv",
        "records.xlsx",
    ]
    assert len(list((output / "html").iterdir())) == 4
    shown = capsys.readouterr()
    assert "报告" in shown.out
    assert "指标" in shown.out
    assert str(output / "html" / "index.html") in shown.out
    assert shown.err == ""


def test_a_folder_names_the_documents_it_could_not_read(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (reports / "2016" / "旧总结.doc").write_bytes(b"\xd0\xcf\x11\xe0")
    (reports / "附件.OFD").write_bytes(b"PK")
    (reports / "总结.doc").write_bytes(b"\xd0\xcf\x11\xe0")  # 总结.txt stands beside it
    (reports / "照片.png").write_bytes(b"\x89PNG")
    assert call(tmp_path / "out", reports) == 1
    assert [item["id"] for item in predictions(tmp_path / "out")] == [
        "总结.txt",
        "2016/总结.md",
        "2016/总结.txt",
    ]
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "旧总结.doc" in line and "另存为 .docx" in line]
    assert [line for line in lines if "附件.OFD" in line and "打印成 .pdf" in line]
    assert not [line for line in lines if "/总结.doc" in line or "照片.png" in line]


def test_outputs_get_ordinary_rights(reports: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "file").touch()
    call(tmp_path / "out", reports)
    assert (tmp_path / "out" / "html").stat().st_mode == plain.stat().st_mode
    assert (tmp_path / "out" / "records.csv").stat().st_mode == (plain / "file").stat().st_mode
    assert (tmp_path / "out" / "records.xlsx").stat().st_mode == (plain / "file").stat().st_mode


def test_formats_choose_outputs(reports: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert call(output, reports, more=["--format", "csv, jsonl,csv"]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["predictions.jsonl", "records.csv"]


def test_spans_alone(reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.pipeline.link_records", None)  # must not be called
    output = tmp_path / "out"
    assert call(output, reports, more=["--no-records"]) == 0
    names = ["html", "predictions.jsonl", "spans.csv", "spans.xlsx"]
    assert sorted(path.name for path in output.iterdir()) == names
    assert all(item["spans"] and item["records"] == [] for item in predictions(output))


def test_a_report_that_cannot_be_linked_keeps_its_spans(
    reports: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (reports / "怪.txt").write_text("产值12万元", encoding="utf-8")

    def link(text: str, spans: Sequence[Span]) -> list[Record]:
        if len(text) < 10:
            raise RecursionError("too deep")
        return link_records(text, spans)

    monkeypatch.setattr("inference.pipeline.link_records", link)
    assert call(tmp_path / "out", reports) == 1
    found = {item["id"]: item for item in predictions(tmp_path / "out")}
    assert len(found) == 4
    assert found["怪.txt"]["records"] == []
    assert [span["text"] for span in found["怪.txt"]["spans"]] == ["产值", "12", "万元"]
    assert len(found["总结.txt"]["records"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "怪.txt" in error
    assert "RecursionError" in error


def test_quiet_prints_only_failures(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (reports / "empty.txt").touch()
    assert call(tmp_path / "out", reports, more=["--quiet"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "empty.txt" in shown.err


@pytest.mark.parametrize(
    ("inputs", "ids"),
    [
        (["reports"], ["总结.txt", "2016/总结.md", "2016/总结.txt"]),
        (["reports/总结.txt"], ["总结.txt"]),
        (["reports/*/*.txt"], ["总结.txt"]),
        (["reports/**/*.txt"], ["2016/总结.txt", "总结.txt"]),
        (["reports/2016/总结.txt", "reports/总结.txt"], ["2016/总结.txt", "总结.txt"]),
        (["reports/总结.txt", "reports/../reports/总结.txt"], ["总结.txt"]),
        (["reports", "other"], ["reports/总结.txt", "reports/2016/总结.md",
                                "reports/2016/总结.txt", "other/总结.txt", "other/[x].txt"]),
        (["other/[x].txt"], ["[x].txt"]),
    ],
)  # fmt: skip
def test_ids_come_from_paths(
    reports: Path, inputs: list[str], ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = reports.parent / "other"
    other.mkdir()
    for name in ("总结.txt", "[x].txt"):
        (other / name).write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(reports.parent)
    assert call(Path("out"), *inputs) == 0
    # Files of one folder come in sorted order; compare as sets where only names matter.
    assert sorted(item["id"] for item in predictions(Path("out"))) == sorted(ids)


def test_own_outputs_are_not_read_again(reports: Path) -> None:
    assert call(reports, reports) == 0
    first = predictions(reports)
    assert call(reports, reports) == 0
    assert predictions(reports) == first


def test_report_jsonl_goes_on_after_broken_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"id": "a", "text": TEXT, "spans": [{"start": 0, "end": 5, "label": "年份"}]}
    lines = [
        "\ufeff" + json.dumps(good),
        '{"id": "b", "text": ',
        "",
        json.dumps({**good, "id": "c", "spans": [{"start": 0, "end": 999, "label": "年份"}]}),
        json.dumps(good),
        '{"id": "\\ud800", "text": "x"}',
        "[" * 100_000,
        json.dumps({"id": "空", "text": ""}),
    ]
    path = tmp_path / "报告.jsonl"
    path.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    assert call(tmp_path / "out", path) == 1
    found = predictions(tmp_path / "out")
    assert [(item["id"], item["source"]) for item in found] == [
        ("a", f"{path}:1"),
        ("空", f"{path}:8"),
    ]
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 6
    for number, error in zip((2, 4, 5, 6, 7, 9), errors, strict=True):
        assert f"{path}:{number}" in error


def test_same_ids_in_two_jsonl_stay_apart(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        line = json.dumps({"id": "一", "text": name})
        (tmp_path / name / "r.jsonl").write_text(line, encoding="utf-8")
    call(tmp_path / "out", tmp_path / "x", tmp_path / "y")
    found = {item["id"]: item["text"] for item in predictions(tmp_path / "out")}
    assert found == {"一": "x", "y/r.jsonl#一": "y"}


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(TEXT.encode("gb18030")))
    monkeypatch.setattr(sys, "stdin", stream)
    assert call(tmp_path / "out", "-") == 0
    (item,) = predictions(tmp_path / "out")
    assert (item["id"], item["source"], item["text"]) == ("stdin", "-", TEXT)


def test_failures_are_named_and_the_rest_goes_on(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (reports / "empty.txt").touch()
    (reports / "no.jsonl").touch()
    (reports / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (reports / "bad\n[red].docx").write_bytes(b"PK\x03\x04 not a docx")
    (tmp_path / "nothing").mkdir()
    inputs: list[str | Path] = [
        reports,
        reports / "notes.xyz",
        tmp_path / "nothing",
        "gone.txt",
        "*.none",
        "",
    ]
    assert call(tmp_path / "out", *inputs) == 1
    assert len(predictions(tmp_path / "out")) == 3
    shown = capsys.readouterr()
    errors = shown.err.splitlines()
    names = ["nothing", "gone.txt", "*.none", "（空）"]
    names += ["bad\\n[red].docx", "binary.txt", "empty.txt", "no.jsonl", "notes.xyz"]
    assert len(errors) == len(names)
    for name in names:
        assert sum(name in error for error in errors) == 1, name
    assert ".docx" in errors[0]
    assert re.search(r"失败\D+9\s", shown.out)
    index = (tmp_path / "out" / "html" / "index.html").read_text(encoding="utf-8")
    assert all(name in index for name in names)


def test_nothing_readable_still_writes_headers(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    assert call(tmp_path / "out", empty) == 1
    assert predictions(tmp_path / "out") == []
    with (tmp_path / "out" / "records.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert len(list(csv.reader(stream))) == 1
    assert (tmp_path / "out" / "html" / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "required"),
        (["r.txt"], "--output"),
        (["--output", "out"], "INPUT"),
        (["r.txt", "--output", "out", "--format", "docx"], "'docx'"),
        (["r.txt", "--output", "out", "--no-records", "--format", "parquet"], "parquet"),
        (["r.txt", "--output", "out", "--format", ""], "xlsx,csv,html,jsonl,parquet"),
        (["r.txt", "--output", "out", "--threads", "0"], "'0'"),
        (["r.txt", "--output", "out", "--threads", "two"], "'two'"),
        (["r.txt", "--output", "out", "--part", "0"], "'0'"),
        (["r.txt", "--output", "out", "--jobs", "-1"], "'-1'"),
        (["r.txt", "--output", "out", "--backend", "tf"], "'tf'"),
        (["r.txt", "--output", "out", "--loud"], "--loud"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments, RegexExtractor())
    assert leaving.value.code == 2
    assert error in capsys.readouterr().err


def test_arguments_become_options() -> None:
    arguments = ["a", "--output", "o", "b", "--model", "m", "--format", "html,csv"]
    arguments += ["--backend", "torch", "--device", "cuda", "--threads", "2"]
    arguments += ["--no-records", "--keep-boilerplate", "--quiet", "-"]
    arguments += ["--part", "9", "--jobs", "3", "--watch"]
    assert parse_arguments(arguments) == Options(
        inputs=("a", "b", "-"),
        output=Path("o"),
        model=Path("m"),
        formats=("html", "csv"),
        records=False,
        backend="torch",
        device="cuda",
        threads=2,
        keep_boilerplate=True,
        quiet=True,
        part=9,
        jobs=3,
        watch=True,
    )
    plain = Options(("a",), Path("o"))
    assert parse_arguments(["a", "--output", "o"]) == plain
    assert parse_arguments(["a", "--output", "o", "--records"]) == plain
    assert (plain.records, plain.formats) == (True, ("xlsx", "csv", "html", "jsonl"))


@pytest.mark.parametrize("inputs", [["gone.txt"], ["*.none"], ["nothing"], ["gone", "nothing"]])
def test_no_input_at_all(
    inputs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").mkdir()
    assert call(tmp_path / "out", *inputs) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(name in error for name in inputs)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ReadError):
        run(Options(tuple(inputs), tmp_path / "out"), RegexExtractor())


def test_output_that_cannot_be_written(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    taken = tmp_path / "taken"
    (taken / "predictions.jsonl").mkdir(parents=True)
    foreign = tmp_path / "foreign"
    (foreign / "html").mkdir(parents=True)
    (foreign / "html" / "index.html").write_text("my own page", encoding="utf-8")
    for output in (file, file / "below", taken, foreign, Path("/dev/null/out")):
        assert call(output, reports) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(output) in error
    assert (foreign / "html" / "index.html").read_text(encoding="utf-8") == "my own page"
    assert sorted(path.name for path in foreign.iterdir()) == ["html"]


class Failing(RegexExtractor):
    """Raises after a few reports, as an interrupt or a full disk would."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(batch=1)
        self.error = error

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        for number, spans in enumerate(super().extract_many(texts)):
            if number == 2:
                raise self.error
            yield spans


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device"), 2),
        (ModelError("model: broken"), 2),
    ],
)
def test_nothing_half_written_is_left(
    reports: Path, tmp_path: Path, error: BaseException, status: int
) -> None:
    output = tmp_path / "new" / "out"
    assert call(output, reports, extractor=Failing(error)) == status
    assert not (tmp_path / "new").exists()


def test_failed_run_keeps_earlier_results(reports: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    call(output, reports)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with pytest.raises(OutputError):
        run(Options((str(reports),), output), Failing(OSError(5, "Input/output error")))
    after = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_nothing_behind(
    reports: Path, tmp_path: Path, number: signal.Signals
) -> None:
    program = textwrap.dedent(
        """
        import signal, sys, time
        from inference.predict import main
        from tests.fakes import RegexExtractor
        class Slow(RegexExtractor):
            def extract_many(self, texts, /):
                for spans in super().extract_many(texts):
                    yield spans
                    print("ready", flush=True)
                    time.sleep(60)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.exit(main(sys.argv[1:], Slow()))
        """
    )
    output = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(reports), "--output", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert output.is_dir()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "已中断" in errors.decode()
    assert not output.exists()


class Blank(RegexExtractor):
    def extract(self, text: str) -> list[Span]:
        return []


def test_reports_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    text = "报告" * 100_000
    with path.open("w", encoding="utf-8") as stream:
        for number in range(60):
            stream.write(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n")
    call(tmp_path / "warm", path, extractor=Blank(1))
    tracemalloc.start()
    try:
        assert call(tmp_path / "out", path, extractor=Blank(2)) == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All 60 texts are 24 MB in memory; a batch of two with its copies is far less.
    assert peak < 8_000_000
    assert len(predictions(tmp_path / "out")) == 60


def test_spans_stay_with_their_reports(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(50):
            stream.write(json.dumps({"id": f"r{number}", "text": f"产值{number}万元"}) + "\n")
            stream.write("broken\n")
    for batch in (1, 7, 100):
        assert call(tmp_path / "out", path, extractor=RegexExtractor(batch)) == 1
        for number, item in enumerate(predictions(tmp_path / "out")):
            assert item["id"] == f"r{number}"
            assert [span["text"] for span in item["spans"]] == ["产值", str(number), "万元"]


def test_the_real_extractor(reports: Path, tmp_path: Path, tiny_model: Path) -> None:
    arguments = [str(reports), "--output", str(tmp_path / "out"), "--model", str(tiny_model)]
    assert main([*arguments, "--threads", "1"]) == 0
    found = predictions(tmp_path / "out")
    assert len(found) == 3
    for item in found:
        assert item["model"]["name"] == "tiny"
        for span in item["spans"]:
            assert span["text"] == item["text"][span["start"] : span["end"]]


def test_model_that_cannot_be_used(
    reports: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {"0": "O", "1": "B-PER", "2": "I-PER"}
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for model in (tmp_path / "missing", other):
        arguments = [str(reports), "--output", str(tmp_path / "out"), "--model", str(model)]
        assert main(arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert str(model) in shown.err
        assert not (tmp_path / "out").exists()
