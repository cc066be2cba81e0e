"""Find labelled spans in reports and write them for people and programs.

    python -m inference.predict INPUT... --output DIR

Exit status: 0 everything was read, 1 some inputs failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.console import Console
from rich.table import Table

from inference.prediction import Prediction, Run
from inference.writers import FORMATS
from zhibiao.errors import OutputError, ReadError, ZhibiaoError
from zhibiao.inputs import Input, read_inputs
from zhibiao.journal import Journal, one_line
from zhibiao.sources import KNOWN_SUFFIXES, find_sources
from zhibiao.spans import LABELS, Span, spans_by_label

__all__ = ["Options", "SpanExtractor", "Summary", "build_parser", "main", "parse_arguments", "run"]

_EXCEL_ROWS = 1_048_576

_EPILOG = """\
结果：
  predictions.jsonl  每行一份报告，供程序使用
  spans.csv          每行一个片段；单元格以 = + - @ 开头时前面加撇号（负数也加），原文见 JSONL
  html/index.html    目录和每份报告的网页，不依赖网络，整个文件夹可以复制给别人
  全部成功后才出现；中断或出错时不留下半份结果。

报告编号（id）：
  文件的编号是它相对于全部输入的共同上级文件夹的路径，含后缀，如 2016/总结.docx。
  JSONL 中的报告沿用自己的 id；与前面的重复时写作「文件编号#id」。标准输入的编号是 stdin。

退出状态：
  0 全部读取；1 有输入未能读取（逐一说明原因），其余照常写出；2 用法有误，什么也不写。"""


class SpanExtractor(Protocol):
    """What prediction needs of an extractor; :class:`zhibiao.extractor.Extractor` is one."""

    @property
    def info(self) -> Mapping[str, Any]:
        """Name, version and hash of the model."""

    def extract_many(self, texts: Iterable[str], /) -> Iterator[list[Span]]:
        """The spans of each text, lazily and in order."""


@dataclass(frozen=True, slots=True)
class Options:
    """What one run of the program was asked to do."""

    inputs: tuple[str, ...]
    output: Path
    model: Path | None = None
    formats: tuple[str, ...] = tuple(FORMATS)
    backend: Literal["onnx", "torch"] = "onnx"
    device: str = "cpu"
    threads: int | None = None
    keep_boilerplate: bool = False
    quiet: bool = False


@dataclass(slots=True)
class Summary:
    """What one run did; ``outputs`` holds (path to open, what it is for)."""

    reports: int = 0
    characters: int = 0
    spans: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    failures: tuple[str, ...] = ()
    outputs: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 when everything was read, 1 when something failed."""
        return 1 if self.failures else 0

    def add(self, prediction: Prediction) -> None:
        """Count one finished report."""
        self.reports += 1
        self.characters += len(prediction.report.text)
        for label, count in spans_by_label(prediction.spans).items():
            self.spans[label] += count


def build_parser() -> argparse.ArgumentParser:
    """The command line of the program; help texts are Chinese, for analysts."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.predict",
        description="从中文报告中抽取机构、指标、数值、单位、年份、企业名，写成表格和网页。",
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
        default=tuple(FORMATS),
        type=_formats,
        metavar="LIST",
        help=f"输出格式，用逗号分隔（默认 {','.join(FORMATS)}）",
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
    found = build_parser().parse_intermixed_args(argv)
    return Options(
        inputs=tuple(found.inputs),
        output=found.output,
        model=found.model,
        formats=found.format,
        backend=found.backend,
        device=found.device,
        threads=found.threads,
        keep_boilerplate=found.keep_boilerplate,
        quiet=found.quiet,
    )


def run(options: Options, extractor: SpanExtractor | None = None) -> Summary:
    """Read all inputs, find their spans and write the outputs; nothing is left half-written.

    ``extractor`` stands in for the model that the options name.

    Raises:
        ReadError: no input matched any file.
        ModelError: the model folder cannot be used.
        OutputError: the output folder cannot be written.
    """
    targets = {name: options.output / FORMATS[name].target for name in FORMATS}
    sources, unmatched = find_sources(options.inputs, outputs=targets.values())
    if not sources:
        raise ReadError("没有找到可读的输入。" + "；".join(unmatched))
    with ExitStack() as stack:
        stack.enter_context(_output_errors(options.output))
        stack.enter_context(_output_folder(options.output))
        for name in options.formats:
            FORMATS[name].check(targets[name])
        if extractor is None:
            extractor = _load(options)
        total = sum(source.size for source in sources)
        journal = stack.enter_context(Journal(total, quiet=options.quiet))
        facts = Run(extractor.info, journal.failures)
        writers = [
            stack.enter_context(FORMATS[name].write(targets[name], facts))
            for name in options.formats
        ]
        for line in unmatched:
            journal.failure(line)
        summary = Summary()
        inputs = read_inputs(sources, journal, keep_boilerplate=options.keep_boilerplate)
        for prediction in _predict(extractor, inputs):
            for write in writers:
                write(prediction)
            summary.add(prediction)
            journal.done(prediction.report.size)
        if "csv" in options.formats and sum(summary.spans.values()) >= _EXCEL_ROWS:
            journal.warning(f"spans.csv 超过 Excel 的 {_EXCEL_ROWS} 行上限；请分批处理")
    summary.failures = tuple(journal.failures)
    summary.outputs = [
        (options.output / FORMATS[name].entry, FORMATS[name].note) for name in options.formats
    ]
    return summary


def _load(options: Options) -> SpanExtractor:
    # Imported late: --help and wrong arguments should not wait for the inference engine.
    from zhibiao.extractor import Extractor

    return Extractor.from_pretrained(
        options.model, backend=options.backend, device=options.device, threads=options.threads
    )


def _predict(extractor: SpanExtractor, inputs: Iterable[Input]) -> Iterator[Prediction]:
    """Join reports and their spans; only the reports of the extractor's batch are held."""
    waiting: deque[Input] = deque()

    def texts() -> Iterator[str]:
        for item in inputs:
            waiting.append(item)
            yield item.text

    for spans in extractor.extract_many(texts()):
        yield Prediction(waiting.popleft(), spans)


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
