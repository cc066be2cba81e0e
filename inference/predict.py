"""Turn reports into rows, who, which year, which indicator, how much, for people and programs.

    python -m inference.predict INPUT... --output DIR

Exit status: 0 everything was read, 1 some inputs failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from inference.pipeline import SpanExtractor, predict
from inference.run import Run
from inference.writers import DEFAULT_FORMATS, FORMATS, SPAN_FORMATS, Format
from zhibiao.errors import OutputError, ReadError, ZhibiaoError
from zhibiao.inputs import read_inputs
from zhibiao.journal import Journal, one_line
from zhibiao.sources import KNOWN_SUFFIXES, find_sources
from zhibiao.spans import LABELS

__all__ = ["Options", "Summary", "build_parser", "main", "parse_arguments", "run"]

_EXCEL_ROWS = 1_048_576

_EPILOG = """\
结果：
  records.xlsx       工作簿：记录（每个数值一行）、来源、实体、汇总；几份报告时还有序列、冲突、图表
  records.csv        每行一条记录；可能被当作公式或日期的单元格前加撇号，原文见 JSONL
  html/index.html    目录和每份报告的网页，点一行记录就跳到原文；不依赖网络，可以整个复制给别人
  predictions.jsonl  每行一份报告：原文、片段、记录，供程序使用
  records.parquet    每行一条记录；要用 --format 点名，需要 pyarrow
  加 --no-records 时只有片段：spans.xlsx、spans.csv、html、predictions.jsonl。
  全部成功后才出现；中断或出错时不留下半份结果。

报告编号（id）：
  文件的编号是它相对于全部输入的共同上级文件夹的路径，含后缀，如 2016/总结.docx。
  JSONL 中的报告沿用自己的 id；与前面的重复时写作「文件编号#id」。标准输入的编号是 stdin。

退出状态：
  0 全部读取；1 有输入未能读取（逐一说明原因），其余照常写出；2 用法有误，什么也不写。"""


@dataclass(frozen=True, slots=True)
class Options:
    """What one run of the program was asked to do."""

    inputs: tuple[str, ...]
    output: Path
    model: Path | None = None
    formats: tuple[str, ...] = DEFAULT_FORMATS
    records: bool = True
    backend: Literal["onnx", "torch"] = "onnx"
    device: str = "cpu"
    threads: int | None = None
    keep_boilerplate: bool = False
    quiet: bool = False


@dataclass(slots=True)
class Summary:
    """What one run did; ``outputs`` holds (path to open, what it is for)."""

    reports: int
    characters: int
    spans: Mapping[str, int]
    records: int
    doubtful: int
    failures: tuple[str, ...]
    outputs: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 when everything was read, 1 when something failed."""
        return 1 if self.failures else 0


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; help texts are Chinese, for analysts."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.predict",
        description="把中文报告变成表格：谁、哪一年、哪个指标、多少、什么单位；同时给出六类实体和可点的网页。",
        epilog=_EPILOG,
        formatter_class=argparse.RawTextHelpFormatter,
        add_help=False,
    )
    main_group = parser.add_argument_group("输入与输出")
    main_group.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="文件、文件夹（含子文件夹）、通配符、报告 JSONL；- 表示标准输入的文本\n"
        f"可读的后缀：{' '.join(KNOWN_SUFFIXES)}",
    )
    main_group.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="输出文件夹，没有时新建"
    )
    main_group.add_argument(
        "--format",
        default=DEFAULT_FORMATS,
        type=_formats,
        metavar="LIST",
        help=f"输出格式，用逗号分隔：{','.join(FORMATS)}（默认 {','.join(DEFAULT_FORMATS)}）",
    )
    main_group.add_argument(
        "--records",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="把实体连成记录（默认）；--no-records 只找实体",
    )
    main_group.add_argument(
        "--keep-boilerplate", action="store_true", help="保留网页导航、页眉页脚等非正文内容"
    )
    model_group = parser.add_argument_group("模型")
    model_group.add_argument(
        "--model", type=Path, metavar="DIR", help="模型文件夹（默认使用内置模型）"
    )
    model_group.add_argument(
        "--backend", choices=("onnx", "torch"), default="onnx", help="计算引擎（默认 onnx）"
    )
    model_group.add_argument("--device", default="cpu", help="计算设备，如 cpu、cuda（默认 cpu）")
    model_group.add_argument(
        "--threads", type=_positive, metavar="N", help="使用的处理器线程数（默认自动）"
    )
    other_group = parser.add_argument_group("其他")
    other_group.add_argument(
        "--quiet", action="store_true", help="不显示进度、提示和汇总；失败仍会显示"
    )
    other_group.add_argument("--help", "-h", action="help", help="显示本说明")
    return parser


def _formats(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in value.split(",")))
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"未知的格式 {name!r}；可用：{','.join(FORMATS)}")
    return names


def _positive(value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"应为正整数，而不是 {value!r}")
    return number


def parse_arguments(argv: Sequence[str] | None = None) -> Options:
    """Turn command-line arguments into options; leaves with status 2 on wrong use."""
    # Intermixed: inputs may stand before and after the options.
    parser = build_parser()
    found = parser.parse_intermixed_args(argv)
    if not found.records and (lost := set(found.format) - SPAN_FORMATS.keys()):
        parser.error(f"--no-records 没有格式 {'、'.join(lost)}；可用：{','.join(SPAN_FORMATS)}")
    return Options(
        inputs=tuple(found.inputs),
        output=found.output,
        model=found.model,
        formats=found.format,
        records=found.records,
        backend=found.backend,
        device=found.device,
        threads=found.threads,
        keep_boilerplate=found.keep_boilerplate,
        quiet=found.quiet,
    )


def run(options: Options, extractor: SpanExtractor | None = None) -> Summary:
    """Read all inputs, find their spans and records, write the outputs; nothing half-written.

    ``extractor`` stands in for the model that the options name.

    Raises:
        ReadError: no input matched any file.
        ModelError: the model folder cannot be used.
        OutputError: the output folder cannot be written.
    """
    known: Mapping[str, Format] = FORMATS if options.records else SPAN_FORMATS
    formats = [known[name] for name in options.formats]
    targets = {options.output / one.target for one in (*FORMATS.values(), *SPAN_FORMATS.values())}
    sources, unmatched = find_sources(options.inputs, outputs=targets)
    if not sources:
        raise ReadError("没有找到可读的输入。" + "；".join(unmatched))
    with ExitStack() as stack:
        stack.enter_context(_output_errors(options.output))
        stack.enter_context(_output_folder(options.output))
        for one in formats:
            one.check(options.output / one.target)
        if extractor is None:
            extractor = _load(options)
        total = sum(source.size for source in sources)
        journal = stack.enter_context(Journal(total, quiet=options.quiet))
        facts = Run(extractor.info, journal.failures)
        writers = [
            stack.enter_context(one.write(options.output / one.target, facts)) for one in formats
        ]
        for line in unmatched:
            journal.failure(line)
        inputs = read_inputs(sources, journal, keep_boilerplate=options.keep_boilerplate)
        for prediction in predict(inputs, extractor, journal, records=options.records):
            facts.add(prediction)
            for write in writers:
                write(prediction)
            journal.done(prediction.report.size)
        _warn(facts, options, journal)
    return Summary(
        reports=len(facts.reports),
        characters=sum(report.characters for report in facts.reports),
        spans={label: sum(report.spans[label] for report in facts.reports) for label in LABELS},
        records=sum(report.records for report in facts.reports),
        doubtful=sum(report.doubtful for report in facts.reports),
        failures=tuple(journal.failures),
        outputs=[(options.output / one.entry, one.note) for one in formats],
    )


def _warn(facts: Run, options: Options, journal: Journal) -> None:
    """Say what an analyst would otherwise miss without knowing."""
    if "csv" in options.formats:
        rows = sum(r.records if options.records else sum(r.spans.values()) for r in facts.reports)
        if rows >= _EXCEL_ROWS:
            journal.warning(
                f"CSV 超过 Excel 的 {_EXCEL_ROWS} 行上限；请用 xlsx（自动分工作表）或分批处理"
            )
    if facts.too_many_rows:
        journal.warning("记录太多，没有合并成序列；请分批处理")


def _load(options: Options) -> SpanExtractor:
    # Imported late: --help and wrong arguments should not wait for the inference engine.
    from zhibiao.extractor import Extractor

    return Extractor.from_pretrained(
        options.model, backend=options.backend, device=options.device, threads=options.threads
    )


@contextmanager
def _output_folder(folder: Path) -> Iterator[None]:
    """Make the folder where it is missing, and unmake what was made when the block raises."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder}：不是文件夹；请换一个输出文件夹") from error
    try:
        yield
    except BaseException:
        for path in missing:
            # Somebody may have put files there meanwhile; those stay.
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


@contextmanager
def _output_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system (unwritable folder, full disk) into OutputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{folder}：无法写入（{reason}）；请换一个可写、空间足够的文件夹"
        ) from error


def print_summary(summary: Summary, console: Console) -> None:
    """Print the counts of a run and where its outputs are."""
    table = Table(title="抽取结果", title_justify="left", show_edge=False)
    table.add_column("项目")
    table.add_column("数量", justify="right")
    table.add_row("报告", f"{summary.reports:,}")
    table.add_row("字符", f"{summary.characters:,}")
    table.add_row("片段", f"{sum(summary.spans.values()):,}")
    for label, count in summary.spans.items():
        table.add_row(f"  {label}", f"{count:,}")
    table.add_row("记录", f"{summary.records:,}")
    table.add_row("  低置信度", f"{summary.doubtful:,}")
    table.add_row("失败", f"{len(summary.failures):,}")
    console.print(table)
    console.print("\n输出：", markup=False)
    for path, note in summary.outputs:
        console.print(f"  {path}  {note}", markup=False)


def main(argv: Sequence[str] | None = None, extractor: SpanExtractor | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse_arguments(argv)
    try:
        summary = run(options, extractor)
    except ZhibiaoError as error:
        print(f"错误：{one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("已中断，没有写出结果。", file=sys.stderr)
        return 130
    if not options.quiet:
        print_summary(summary, Console(soft_wrap=True, highlight=False, emoji=False))
    return summary.exit_status


if __name__ == "__main__":
    # A terminal that lacks Chinese must not end a finished run with an encoding error.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Being told to stop cleans up like Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
