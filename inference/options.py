"""What a person asks of predict.py, and its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inference.writers import DEFAULT_FORMATS, FORMATS, SPAN_FORMATS
from zhibiao.sources import KNOWN_SUFFIXES

__all__ = ["Options", "build_parser", "parse_arguments"]

_EPILOG = """\
结果：
  records.xlsx       工作簿：记录（每个数值一行）、来源、实体、汇总；几份报告时还有序列、冲突、图表
  records.csv        每行一条记录；可能被当作公式或日期的单元格前加撇号，原文见 JSONL
  html/index.html    目录和每份报告的网页，点一行记录就跳到原文；不依赖网络，可以整个复制给别人
  predictions.jsonl  每行一份报告：原文、片段、记录，供程序使用
  records.parquet    每行一条记录；要用 --format 点名，需要 pyarrow
  加 --no-records 时只有片段：spans.xlsx、spans.csv、html、predictions.jsonl。
  全部成功后才出现；中断或出错时不留下半份结果（大批量见下）。

大批量：
  超过 2000 份报告，或用了 --part、--jobs、--watch 时，结果分部分写进 parts/00001、parts/00002……，
  另有目录 index.html 和清单 manifest.csv（每份报告的状态和原因）。各部分做完一个出现一个；
  中断或被杀掉以后，再运行同一条命令就接着做，做完的不重做。

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
    part: int | None = None
    jobs: int | None = None
    watch: bool = False

    @property
    def asks_for_archive(self) -> bool:
        """Whether outputs in parts are wanted, however few the reports are."""
        return self.part is not None or self.jobs is not None or self.watch


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
    archive_group = parser.add_argument_group("大批量（见 docs/archives.md）")
    archive_group.add_argument(
        "--part", type=_positive, metavar="SIZE", help="分部分写出，每部分几份报告（默认 500）"
    )
    archive_group.add_argument(
        "--jobs", type=_positive, metavar="N", help="同时工作的进程数（默认同 --threads）"
    )
    archive_group.add_argument(
        "--watch", action="store_true", help="做完以后继续等新文件，直到 Ctrl-C 或 SIGTERM"
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
        part=found.part,
        jobs=found.jobs,
        watch=found.watch,
    )
